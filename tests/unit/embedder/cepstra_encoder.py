"""A real encoder that needs nothing to be loaded, and whose running a test can hold up or break."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from sonicgen.domain.voice import VoiceModel
from sonicgen.embedder.diarizers import OwnDiarizer
from sonicgen.embedder.models import Loader, Path
from sonicgen.voices.clusters import Likeness
from sonicgen.voices.encoder import Calibration, Encoder
from tests.unit.embedder import cepstra

Vectors = NDArray[np.float32]
_DIMENSION = cepstra.embed([np.zeros(16_000, np.float32)]).shape[1]


class CepstraEncoder:
    """The measures of `cepstra` behind the interface of encoders."""

    def __init__(self, backend: str = "numpy-cpu", version: str = "1") -> None:
        self.model = VoiceModel("cepstra", version, _DIMENSION)
        self.backend = backend
        self.calibration = Calibration(slope=10.0, offset=-4.0)
        # Made voices share all but pitch and throat: they differ in less than those of people do.
        self.likeness = Likeness(merge_above=0.8, split_below=0.3)
        self.batches: list[int] = []
        # Called before each batch, in the encoder's thread.
        self.before: Callable[[list[NDArray[np.float32]]], None] = lambda _windows: None

    def embed(self, windows: Iterable[NDArray[np.float32]]) -> Vectors:
        """Return a unit vector for each window."""
        given = list(windows)
        self.before(given)
        self.batches.append(len(given))
        return cepstra.embed(given)


class Brake:
    """Holds an encoder until it is released."""

    def __init__(self, encoder: CepstraEncoder) -> None:
        self._go = threading.Event()
        self.reached = threading.Event()
        encoder.before = self._wait

    def release(self) -> None:
        """Let it go on."""
        self._go.set()

    def _wait(self, _: object) -> None:
        self.reached.set()
        assert self._go.wait(20), "nobody released the encoder"


def loader(*encoders: Encoder) -> Loader:
    """Return a loader of these, the first on a device of its own when there are several."""
    devices = ["cuda"] * (len(encoders) - 1) + ["cpu"]
    paths = [
        Path(f"path {number}", device, lambda encoder=encoder: encoder)  # type: ignore[misc]
        for number, (encoder, device) in enumerate(zip(encoders, devices, strict=True))
    ]
    return Loader(paths, OwnDiarizer)
