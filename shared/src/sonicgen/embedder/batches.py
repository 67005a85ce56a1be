"""Windows of many requests, coalesced into batches of one length for an encoder that runs in a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sonicgen.embedder.problems import CallerLeftError, Code, RequestError
from sonicgen.embedder.tickets import Ticket
from sonicgen.log import log
from sonicgen.voices.samples import Samples, piece

logger = logging.getLogger(__name__)

CLOSE_SECONDS = 10.0
Windows = Sequence[Samples]
Vectors = NDArray[np.float32]


@dataclass(eq=False)
class _Job:
    """One call's vectors as they come; it knows nothing of the sound, so that a ticket may remember it."""

    future: Future[Vectors]
    arrived_at: float
    rows: list[NDArray[np.float32] | None]
    missing: int


@dataclass(eq=False)
class _Part:
    """A job's windows in one lane that are in no batch yet, each with its place."""

    job: _Job
    windows: deque[tuple[int, Samples]] = field(default_factory=deque)


_Batch = list[tuple[_Job, int, Samples]]


class Batcher:
    """Takes windows (mono at 16 kHz, float32 or int16) from any thread; gives back futures of their vectors.

    `embed` is called in one thread, with at most `batch_windows` windows, all of one length of `lengths` or all of
    other lengths. Jobs take turns window by window, so that an hour of sound does not hold up a sentence. When a caller
    leaves, its windows are dropped.
    """

    def __init__(
        self,
        embed: Callable[[list[NDArray[np.float32]]], Vectors],
        *,
        batch_windows: int,
        wait_seconds: float,
        lengths: Sequence[int] = (),
        on_batch: Callable[[int, float], None] = lambda _count, _seconds: None,
    ) -> None:
        self._embed = embed
        self.batch_windows = batch_windows
        self._wait_seconds = wait_seconds
        self._lanes: dict[int, deque[_Part]] = {length: deque() for length in (*lengths, 0)}
        self._on_batch = on_batch
        self._condition = threading.Condition()
        self._queued = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="encoder", daemon=True)
        self._thread.start()

    @property
    def queued(self) -> int:
        """How many windows wait."""
        return self._queued

    def submit(self, windows: Windows, ticket: Ticket) -> Future[Vectors]:
        """Queue windows; the future has a row for each, CallerLeftError, or what the encoder raised."""
        job = _Job(Future(), time.monotonic(), [None] * len(windows), len(windows))
        if not windows:
            job.future.set_result(np.empty((0, 0), np.float32))
            return job.future
        with self._condition:
            if self._closed:
                raise RequestError(Code.NOT_READY, "The embedder is ending; ask again.", after_seconds=1.0)
            parts: dict[int, _Part] = {}
            for index, window in enumerate(windows):
                lane = len(window) if len(window) in self._lanes else 0
                parts.setdefault(lane, _Part(job)).windows.append((index, window))
            for lane, part in parts.items():
                self._lanes[lane].append(part)
            self._queued += len(windows)
            self._condition.notify()
        ticket.on_leave(lambda: self._drop(job))
        return job.future

    def close(self) -> None:
        """Work off what waits, then end; an encoder that hangs is not waited for."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        self._thread.join(CLOSE_SECONDS)

    def _drop(self, job: _Job) -> None:
        with self._condition:
            for lane in self._lanes.values():
                for part in [each for each in lane if each.job is job]:
                    lane.remove(part)
                    self._queued -= len(part.windows)
        _fail(job, CallerLeftError())

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            started = time.monotonic()
            try:
                self._compute(batch)
            except Exception:  # whatever an encoder raises, the next batch must find its thread alive
                logger.exception("A batch failed.")
                for job, _, _ in batch:
                    _fail(job, RequestError(Code.MODEL_FAILED, "The encoder failed on this sound; its log says why."))
            self._on_batch(len(batch), time.monotonic() - started)

    def _next(self) -> _Batch | None:
        """Wait for a batch that is full or has waited long enough; return None at the end."""
        with self._condition:
            while True:
                lane = self._oldest_lane()
                if lane is None:
                    if self._closed:
                        return None
                    self._condition.wait()
                    continue
                patience = self._oldest(lane) + self._wait_seconds - time.monotonic()
                if patience <= 0 or self._closed or self._count(lane) >= self.batch_windows:
                    return self._take(self._lanes[lane])
                self._condition.wait(patience)

    def _oldest_lane(self) -> int | None:
        return min((lane for lane, parts in self._lanes.items() if parts), key=self._oldest, default=None)

    def _oldest(self, lane: int) -> float:
        return min(part.job.arrived_at for part in self._lanes[lane])

    def _count(self, lane: int) -> int:
        return sum(len(part.windows) for part in self._lanes[lane])

    def _take(self, lane: deque[_Part]) -> _Batch:
        batch: _Batch = []
        while lane and len(batch) < self.batch_windows:
            part = lane.popleft()
            batch.append((part.job, *part.windows.popleft()))
            if part.windows:
                lane.append(part)
        self._queued -= len(batch)
        return batch

    def _compute(self, batch: _Batch) -> None:
        try:
            rows = self._embed([piece(window, 0, len(window)) for _, _, window in batch])
        except Exception as error:
            jobs = list(dict.fromkeys(job for job, _, _ in batch))
            if len(jobs) == 1:
                _fail(jobs[0], error if isinstance(error, RequestError) else _model_failed(error))
                return
            # One request's sound must not be another one's failure.
            log(logger, "A batch failed; its requests are tried one by one.", level=logging.WARNING, jobs=len(jobs))
            for one in jobs:
                self._compute([each for each in batch if each[0] is one])
            return
        for (job, index, _), row in zip(batch, rows, strict=True):
            job.rows[index] = row
            job.missing -= 1
            if not job.missing:
                with suppress(InvalidStateError):  # its caller has just left
                    job.future.set_result(np.array(job.rows, np.float32))


def _model_failed(error: Exception) -> RequestError:
    logger.error("The encoder failed.", exc_info=error)
    return RequestError(Code.MODEL_FAILED, "The encoder failed on this sound; the embedder's log says why.")


def _fail(job: _Job, error: Exception) -> None:
    with suppress(InvalidStateError):
        job.future.set_exception(error)
