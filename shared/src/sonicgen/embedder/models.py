"""The models of this process: loaded once, the fastest path chosen by measurement, the next one taken when it fails."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sonicgen.domain.embedding import Hints, Runner
from sonicgen.domain.turn import Turn
from sonicgen.embedder.problems import Code, RequestError
from sonicgen.embedder.speech import LADDER_SECONDS
from sonicgen.log import log
from sonicgen.voices.diarize import Embed
from sonicgen.voices.encoder import PIECE_SECONDS, Encoder
from sonicgen.voices.samples import SAMPLE_RATE_HZ, Samples

logger = logging.getLogger(__name__)

# Batches that are tried at the start, up to the one that takes this long: a caller waits for a whole batch.
BATCH_SIZES = (1, 8, 32, 128)
LONGEST_BATCH_SECONDS = 0.4
# The better of two counts: on a busy machine one window took 6 ms one time and 28 the next.
ROUNDS = 2
CPU = "cpu"
# A larger batch is taken only when it is faster by this much: it makes everybody wait longer.
WORTHWHILE = 1.05


class Diarizer(Protocol):
    """Tells the voices of a recording apart."""

    @property
    def name(self) -> str:
        """What an answer calls it."""

    def diarize(self, samples: Samples, hints: Hints, embed: Embed) -> list[Turn]:
        """Return the turns in order, speakers as SPEAKER_00, SPEAKER_01…; `embed` is for those that need an encoder."""


@dataclass(frozen=True, slots=True)
class Path:
    """One way to run the encoder: its name, the device, and how to load it (SonicGenError when it cannot be)."""

    name: str
    device: str
    load: Callable[[], Encoder]


@dataclass(frozen=True, slots=True)
class Loader:
    """What this process may load: paths of one and the same model, best first by guess, and the diarizer.

    `notes` say what better models there are and what they need, for people.
    """

    paths: Sequence[Path]
    diarizer: Callable[[Encoder], Diarizer]
    notes: Sequence[str] = ()


class State(StrEnum):
    """How the models stand."""

    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of one path: windows of 3 s a second, and the size of the batches that gave them."""

    name: str
    windows_per_second: float
    batch_windows: int


@dataclass(frozen=True, slots=True)
class Running:
    """A loaded encoder and the way it runs."""

    path: Path
    encoder: Encoder
    measured: Measured


class Models:
    """The encoder and the diarizer; `start` loads them in a thread, `embed` belongs to the batcher's thread."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._lock = threading.Lock()
        self._running: Running | None = None
        self._diarizer: Diarizer | None = None
        self.state = State.STARTING
        self.reason = "The models are being loaded."
        # Why another path than the fastest runs; None as long as none failed.
        self.fallback_reason: str | None = None
        self.measured: list[Measured] = []
        self.notes = loader.notes

    def start(self, then: Callable[[], None]) -> threading.Thread:
        """Load, warm up and measure in a thread; `then` is called once they are ready."""
        thread = threading.Thread(target=self._start, args=(then,), name="models", daemon=True)
        thread.start()
        return thread

    @property
    def running(self) -> Running:
        """What runs; raises RequestError before that."""
        if self._running is None:
            raise RequestError(Code.NOT_READY, f"The embedder is not ready: {self.reason}", after_seconds=2.0)
        return self._running

    @property
    def encoder(self) -> Encoder:
        """The encoder that runs."""
        return self.running.encoder

    @property
    def diarizer(self) -> Diarizer:
        """The diarizer; raises RequestError when it is not loaded."""
        if self._diarizer is None:
            raise RequestError(Code.NOT_READY, f"The diarizer is not ready: {self.reason}", after_seconds=2.0)
        return self._diarizer

    @property
    def is_encoder_loaded(self) -> bool:
        """Whether vectors can be made."""
        return self._running is not None

    @property
    def is_diarizer_loaded(self) -> bool:
        """Whether voices can be told apart."""
        return self._diarizer is not None

    def runner(self) -> Runner:
        """Return what runs, for answers."""
        running = self.running
        told = running.encoder.calibration
        return Runner(running.encoder.model, running.encoder.backend, running.path.device, told.slope, told.offset)

    def embed(self, windows: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the windows' vectors; when the path fails, the next one that loads takes over for good."""
        running = self.running
        try:
            return _checked(running.encoder, windows)
        except Exception as error:
            if _is_healthy(running.encoder):  # it was the sound, not the path
                raise
            successor = self._fall_back(running, error)
            if successor is None:
                raise
            return _checked(successor.encoder, windows)

    def _start(self, then: Callable[[], None]) -> None:
        started = time.monotonic()
        try:
            self._running = self._choose()
            self._diarizer = self._loader.diarizer(self._running.encoder)
        except Exception as error:  # the process answers on, and says why it is not ready
            self.state, self.reason = State.FAILED, f"The models could not be loaded: {error}"
            logger.exception("The models could not be loaded.")
            return
        self.state, self.reason = State.READY, ""
        then()
        log(
            logger,
            "The models are ready.",
            model=self._running.encoder.model.key,
            backend=self._running.encoder.backend,
            device=self._running.path.device,
            batch_windows=self._running.measured.batch_windows,
            times_real_time=round(self._running.measured.windows_per_second * PIECE_SECONDS),
            diarizer=self._diarizer.name,
            seconds=round(time.monotonic() - started, 2),
        )

    def _choose(self) -> Running:
        """Return the fastest of the paths that load; they must be ways to run one model."""
        best: Running | None = None
        failures: list[str] = []
        for path in self._loader.paths:
            try:
                found = _try(path)
            except Exception as error:
                failures.append(f"{path.name}: {error}")
                log(logger, f"{path.name} cannot run here.", level=logging.WARNING, reason=str(error))
                continue
            if best is not None and found.encoder.model != best.encoder.model:
                continue
            self.measured.append(found.measured)
            if best is None or found.measured.windows_per_second > best.measured.windows_per_second:
                best = found
        if best is None:
            raise RequestError(Code.MODEL_FAILED, "; ".join(failures) or "There is no encoder.")
        return best

    def _fall_back(self, failed: Running, error: Exception) -> Running | None:
        """Return another path's encoder that makes the same vectors, None when there is none."""
        with self._lock:
            if self._running is not failed:
                return self._running
            for path in self._loader.paths:
                if path is failed.path or path.device == failed.path.device != CPU:
                    continue
                try:
                    successor = _try(path)
                except Exception as reason:
                    log(logger, f"{path.name} cannot take over.", level=logging.WARNING, reason=str(reason))
                    continue
                if successor.encoder.model != failed.encoder.model:
                    continue
                self._running = successor
                self.fallback_reason = f"{failed.path.name} failed, {path.name} took over: {error}"
                log(logger, "The encoder failed and another path took over.", level=logging.ERROR,
                    failed=failed.path.name, successor=path.name, reason=str(error))  # fmt: skip
                return successor
            return None


def _checked(encoder: Encoder, windows: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    rows = encoder.embed(windows)
    if rows.shape != (len(windows), encoder.model.dimension) or not np.isfinite(rows).all():
        raise RequestError(Code.MODEL_FAILED, "The encoder gave something that is no vector.")
    return rows


def _is_healthy(encoder: Encoder) -> bool:
    try:
        _checked(encoder, [_noise(PIECE_SECONDS)])
    except Exception:
        return False
    return True


def _try(path: Path) -> Running:
    """Load an encoder, warm it up on every length it will be given, and find its best batch."""
    encoder = path.load()
    for seconds in LADDER_SECONDS:
        _checked(encoder, [_noise(seconds)])
    noise = _noise(PIECE_SECONDS)
    best_rate, best_size = 0.0, 1
    for size in BATCH_SIZES:
        _checked(encoder, [noise] * size)  # the first of a shape is slower: memory, kernels, graphs
        seconds = min(_seconds(encoder, [noise] * size) for _ in range(ROUNDS))
        rate = size / max(seconds, 1e-9)
        if rate > best_rate * WORTHWHILE:
            best_rate, best_size = rate, size
        if seconds > LONGEST_BATCH_SECONDS / 2:  # the next one would take too long
            break
    return Running(path, encoder, Measured(path.name, best_rate, best_size))


def _seconds(encoder: Encoder, windows: list[NDArray[np.float32]]) -> float:
    started = time.perf_counter()
    _checked(encoder, windows)
    return time.perf_counter() - started


def _noise(seconds: float) -> NDArray[np.float32]:
    random = np.random.default_rng(1)
    return (0.05 * random.standard_normal(int(seconds * SAMPLE_RATE_HZ))).astype(np.float32)
