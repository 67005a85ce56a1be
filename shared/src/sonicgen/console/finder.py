"""The warm finder: answers questions in a few threads, its clips read by processes that are ready.

Matching runs in threads of this process, because its kernels release the interpreter's lock, share one warm cache and
wait for Postgres in between; decoding runs in processes of its own (steps/clip_workers.py says why).
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from uuid import UUID

from sonicgen.console.problems import ProblemError
from sonicgen.errors import SonicGenError
from sonicgen.steps.clip_workers import ClipWorkers
from sonicgen.steps.find_clip import warm_up
from sonicgen.steps.find_job import FindJob, Question, sweep_clip_folders
from sonicgen.steps.services import Services
from sonicgen.store import jobs

logger = logging.getLogger(__name__)

# Links wait for other sites; they have threads of their own, so that a slow site keeps no clip waiting.
LINKS_AT_ONCE = 4
# Beats between a job's events: three of them fit into its lease.
_BEAT_SECONDS = jobs.LEASE_SECONDS / 3
_BUSY_RETRY_SECONDS = 10


class Finder:
    """Runs questions of one process; made when the application starts, closed when it ends."""

    def __init__(self, services: Services) -> None:
        count = services.settings.find_workers
        self._services = services
        self.workers = ClipWorkers(count)
        # One more than read clips: while one is being matched, its process reads the next.
        self._files = ThreadPoolExecutor(count + 1, "find")
        self._links = ThreadPoolExecutor(LINKS_AT_ONCE, "find-link")
        self._lock = threading.Lock()
        self._running: dict[UUID, Future[None]] = {}
        self._listeners: dict[UUID, set[Callable[[], None]]] = {}
        self._stopped = threading.Event()
        self._beats = threading.Thread(target=self._beat, name="find-beats", daemon=True)
        self._warm = threading.Thread(target=self._warm_up, name="find-warm-up", daemon=True)

    def start(self) -> None:
        """Warm up in the background: the page answers meanwhile, and a first question waits its turn."""
        self._beats.start()
        self._warm.start()

    def submit(self, job_id: UUID, question: Question, done: Callable[[], None]) -> Future[None]:
        """Have a question answered; `done` is called at its end, whatever it is.

        Raises ProblemError (429) when too many wait already; `done` was called then, too.
        """
        with self._lock:
            is_full = len(self._running) >= self._services.settings.find_queue
        if is_full:
            done()
            raise busy()
        pool = self._links if question.url is not None else self._files
        future = pool.submit(self._run, job_id, question)
        with self._lock:
            self._running[job_id] = future
        future.add_done_callback(lambda _: self._end(job_id, done))
        return future

    def is_full(self) -> bool:
        """Return whether no further question is taken right now."""
        with self._lock:
            return len(self._running) >= self._services.settings.find_queue

    def is_running_here(self, job_id: UUID) -> bool:
        """Return whether this process works on a job, so that news of it comes by itself."""
        with self._lock:
            return job_id in self._running

    def listen(self, job_id: UUID, loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> Callable[[], None]:
        """Set `event` whenever there is something new of a job; returns how to stop that."""

        def tell() -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody listens any more
                loop.call_soon_threadsafe(event.set)

        with self._lock:
            self._listeners.setdefault(job_id, set()).add(tell)

        def stop() -> None:
            with self._lock:
                listeners = self._listeners.get(job_id, set())
                listeners.discard(tell)
                if not listeners:
                    self._listeners.pop(job_id, None)

        return stop

    def notify(self, job_id: UUID) -> None:
        """Tell those who listen that a job has something new."""
        with self._lock:
            listeners = list(self._listeners.get(job_id, ()))
        for tell in listeners:
            tell()

    def close(self) -> None:
        """Stop; jobs that wait are ended by whoever looks at them next, once their lease is over."""
        self._stopped.set()
        self._files.shutdown(wait=False, cancel_futures=True)
        self._links.shutdown(wait=False, cancel_futures=True)
        self.workers.close()

    def _run(self, job_id: UUID, question: Question) -> None:
        self._warm.join()  # at most once: afterwards it is over
        FindJob(self._services, self.workers, job_id, self.notify).run(question)

    def _end(self, job_id: UUID, done: Callable[[], None]) -> None:
        with self._lock:
            self._running.pop(job_id, None)
        done()
        self.notify(job_id)

    def _warm_up(self) -> None:
        try:
            sweep_clip_folders(self._services)
            self.workers.warm_up()
            warm_up()
        except Exception:  # the first question will say what is wrong
            logger.exception("The finder did not warm up.")

    def _beat(self) -> None:
        while not self._stopped.wait(_BEAT_SECONDS):
            with self._lock:
                running = list(self._running)
            for job_id in running:
                with suppress(SonicGenError):
                    jobs.keep_alive(self._services.database, job_id)


def busy() -> ProblemError:
    """Return the answer for a question that finds too many others before it."""
    return ProblemError(
        429,
        "busy",
        "Too many questions wait already; ask again in some seconds.",
        {"Retry-After": str(_BUSY_RETRY_SECONDS)},
    )
