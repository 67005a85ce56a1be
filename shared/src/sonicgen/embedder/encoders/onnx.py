"""Encoders run by ONNX Runtime: `ecapa-small`, which lies in the package, and what was exported of larger ones."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from threading import Lock

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from sonicgen.embedder.encoders.batches import Features, Wave, embed_in_batches
from sonicgen.embedder.encoders.card import Card, CardEncoder, read_card
from sonicgen.errors import SettingsError

SMALL = "ecapa-small"


class OnnxEncoder(CardEncoder):
    """An encoder in a file; one session, made at first use, for all threads."""

    def __init__(self, weights: Path, card: Card, *, arithmetic: str = "float32", threads: int = 1) -> None:
        self._weights = weights
        super().__init__(card)
        self._arithmetic = arithmetic
        self._threads = threads
        self._session: onnxruntime.InferenceSession | None = None
        self._opening = Lock()

    @property
    def backend(self) -> str:
        """What runs it."""
        return f"onnxruntime-{self._arithmetic}-cpu"

    def embed(self, windows: Iterable[Wave]) -> NDArray[np.float32]:
        """Return a unit vector for each window of mono speech at 16 kHz, in order."""
        return embed_in_batches(windows, self._run, self.model.dimension)

    def _run(self, features: Features) -> NDArray[np.float32]:
        (vectors,) = self._open().run(None, {"features": features})
        return np.asarray(vectors, np.float32)

    def _open(self) -> onnxruntime.InferenceSession:
        with self._opening:
            if self._session is None:
                self._session = open_session(self._weights, self._threads)
            return self._session


def ecapa_small(threads: int = 1) -> OnnxEncoder:
    """Return the encoder that lies in the package."""
    folder = Path(str(files(__package__))) / "weights"
    weights = folder / f"{SMALL}.onnx"
    return OnnxEncoder(weights, read_card(weights, folder / f"{SMALL}.json"), threads=threads)


def open_session(weights: Path | bytes, threads: int) -> onnxruntime.InferenceSession:
    """Return a session over a file or a model in memory, which uses so many threads and never spins while it waits."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        model = weights if isinstance(weights, bytes) else str(weights)
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's own classes derive from Exception only
        name = "made in memory" if isinstance(weights, bytes) else str(weights)
        raise SettingsError(f"ONNX Runtime cannot open the weights {name}: {error}") from error
