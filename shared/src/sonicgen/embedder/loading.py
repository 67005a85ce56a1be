"""The models that the settings name, and the ways to run them here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial

from sonicgen.embedder.diarizers import load_diarizer
from sonicgen.embedder.encoders.choose import load_encoder
from sonicgen.embedder.models import Loader, Path
from sonicgen.settings import Settings


def make_loader(settings: Settings) -> Loader:
    """Return what this process may load, for `sonicgen.embedder.models`."""
    cores = os.cpu_count() or 1
    # All cores for one batch, or one: which is faster depends on what else this machine does.
    paths = [
        Path(
            f"cpu, {threads} threads" if threads > 1 else "cpu, 1 thread",
            "cpu",
            partial(load_encoder, settings, threads=threads),
        )
        for threads in sorted({cores, 1}, reverse=True)
    ]
    return Loader(paths, partial(load_diarizer, settings), tuple(_notes(settings)))


def _notes(settings: Settings) -> Iterator[str]:
    if settings.encoder == "auto" and settings.ecapa_weights is None:
        yield "SONICGEN_ECAPA_WEIGHTS names no larger encoder"
    if settings.diarization == "auto" and settings.pyannote_weights is None:
        yield "SONICGEN_PYANNOTE_WEIGHTS names no better diarization"
