"""The service as one thing: its models, its queue, its threads, and what of all that is in use."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from sonicgen.embedder.batches import Batcher
from sonicgen.embedder.hearing import Limits
from sonicgen.embedder.metrics import Metrics
from sonicgen.embedder.models import Loader, Models, State
from sonicgen.embedder.problems import Code, RequestError
from sonicgen.embedder.speech import PIECE_SAMPLES
from sonicgen.embedder.tickets import Ticket
from sonicgen.settings import Settings
from sonicgen.voices.samples import Samples

if TYPE_CHECKING:
    from sonicgen.steps.services import Services

T = TypeVar("T")
# How many requests hold speech at a time that waits for the encoder: enough to fill its batches, 19 MB each at most.
_HOLDING = 48
# How many windows of a long recording are handed over at a time, or as many as a batch has; two such parts are under
# way, 12 MB of sound.
_PART_WINDOWS = 32
_LONGEST_RETRY_SECONDS = 60.0


class House:
    """Holds everything that requests share; `open` and `close` belong to the application's life."""

    def __init__(self, settings: Settings, loader: Loader) -> None:
        self.settings = settings
        self.models = Models(loader)
        self.metrics = Metrics()
        self.limits = Limits(settings.embedder_audio_hours * 3600, settings.embedder_decode_seconds)
        self.is_draining = False
        self.guests = 0
        self.held_bytes = 0
        self.holding = asyncio.Semaphore(_HOLDING)
        self._batcher: Batcher | None = None
        cores = os.cpu_count() or 1
        # Decoding and voice activity, one file a core; objects, whose threads also wait for the encoder; and long
        # recordings, which must leave cores for short ones.
        self._preparers = ThreadPoolExecutor(cores, "prepare")
        self._listeners = ThreadPoolExecutor(cores, "listen")
        self._diarizers = ThreadPoolExecutor(max(1, cores // 2), "diarize")

    def open(self) -> None:
        """Begin to load the models."""
        self.models.start(self._start_batcher)

    def close(self) -> None:
        """Work off what is under way and end the threads."""
        self.is_draining = True
        # What is under way has had its time; threads that are still busy are left to the end of the process.
        for pool in (self._preparers, self._listeners, self._diarizers):
            pool.shutdown(wait=False, cancel_futures=True)
        if self._batcher is not None:
            self._batcher.close()
        if "services" in self.__dict__:
            self.services.close()

    @property
    def is_ready(self) -> bool:
        """Whether requests are taken."""
        return self.models.state is State.READY and self._batcher is not None and not self.is_draining

    @property
    def batcher(self) -> Batcher:
        """The queue; raises RequestError before the models are ready."""
        if self._batcher is None:
            raise self.not_ready()
        return self._batcher

    @cached_property
    def services(self) -> Services:
        """The database and the gallery, for those who identify; raises SettingsError when an address is missing."""
        from sonicgen.steps.services import Services

        return Services(self.settings)

    def not_ready(self) -> RequestError:
        """Return the error of a request that comes before everything is there, or after the end has begun."""
        if self.is_draining:
            return RequestError(Code.NOT_READY, "The embedder is ending; ask again.", after_seconds=1.0)
        after = None if self.models.state is State.FAILED else 2.0
        return RequestError(Code.NOT_READY, f"The embedder is not ready: {self.models.reason}", after_seconds=after)

    def busy(self) -> RequestError:
        """Return the error of one request too many, with the time in which what waits will be done."""
        waiting = self._batcher.queued if self._batcher else 0
        rate = self.models.running.measured.windows_per_second
        seconds = min(_LONGEST_RETRY_SECONDS, max(1.0, math.ceil(waiting / rate)))
        return RequestError(
            Code.BUSY, f"{self.guests} requests are under way, which is all that is taken; ask again later.", seconds
        )

    def gauges(self) -> dict[str, float]:
        """Return what is true at this moment, for the metrics."""
        return {
            "ready": float(self.is_ready),
            "requests_under_way": self.guests,
            "held_bytes": self.held_bytes,
            "queue_depth": self._batcher.queued if self._batcher else 0,
            "batch_windows": self._batcher.batch_windows if self._batcher else 0,
            "fallen_back": float(self.models.fallback_reason is not None),
        }

    async def prepare(self, work: Callable[[], T], ticket: Ticket) -> T:
        """Do what takes a core for a moment, off the event loop."""
        return await self._run(self._preparers, work, ticket)

    async def listen(self, work: Callable[[], T], ticket: Ticket) -> T:
        """Do what waits for the encoder as much as it computes, off the event loop."""
        return await self._run(self._listeners, work, ticket)

    async def diarize(self, work: Callable[[], T], ticket: Ticket) -> T:
        """Do what takes a core for long, off the event loop."""
        return await self._run(self._diarizers, work, ticket)

    async def vectors(self, windows: Sequence[Samples], ticket: Ticket) -> NDArray[np.float32]:
        """Return the windows' vectors."""
        return await asyncio.wrap_future(self.batcher.submit(windows, ticket))

    def embed_all(self, windows: Iterable[Samples], ticket: Ticket) -> NDArray[np.float32]:
        """Return the vectors of any number of windows, of which a few are in memory; blocks its thread."""
        rows = list(self._embed_parts(windows, ticket))
        return np.concatenate(rows) if rows else np.empty((0, self.models.encoder.model.dimension), np.float32)

    def _embed_parts(self, windows: Iterable[Samples], ticket: Ticket) -> Iterator[NDArray[np.float32]]:
        before: Future[NDArray[np.float32]] | None = None
        for part in _batched(windows, max(_PART_WINDOWS, self.batcher.batch_windows)):
            following = self.batcher.submit(part, ticket)
            if before is not None:
                yield before.result()
            before = following
        if before is not None:
            yield before.result()

    async def _run(self, pool: ThreadPoolExecutor, work: Callable[[], T], ticket: Ticket) -> T:
        def checked() -> T:
            ticket.check()
            return work()

        return await asyncio.get_running_loop().run_in_executor(pool, checked)

    def _embed(self, windows: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        before = self.models.running
        rows = self.models.embed(windows)
        if self.models.running is not before:  # a GPU's batch would hold everybody up on a CPU
            self.batcher.batch_windows = self.models.running.measured.batch_windows
        return rows

    def _start_batcher(self) -> None:
        running = self.models.running
        self._batcher = Batcher(
            self._embed,
            batch_windows=running.measured.batch_windows,
            wait_seconds=self.settings.embedder_wait_ms / 1000,
            lengths=PIECE_SAMPLES,
            on_batch=self.metrics.count_batch,
        )


def _batched(windows: Iterable[T], size: int) -> Iterator[list[T]]:
    part: list[T] = []
    for window in windows:
        part.append(window)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part
