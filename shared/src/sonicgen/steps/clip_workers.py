"""Clips to fingerprints in processes of their own, kept warm: bytes from strangers are never decoded in the console.

Decoding and fingerprinting go to these processes, since a damaged file may crash a decoder or take memory without end,
and since they share no interpreter lock with the page. Matching stays in the console's threads: it is arithmetic on
numbers of our own that releases the lock, and waits for Postgres.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from sonicgen.domain.recording import Reason
from sonicgen.errors import InputError, MediaError, TooLargeError, UnavailableError
from sonicgen.sound.fingerprint import Fingerprint
from sonicgen.sound.peaks import Peaks

# Beyond what Python and its libraries take (about 90 MB resident): decoders of video files want some tens of MB.
MEMORY_BYTES = 768 << 20
# A process decodes so many files and is replaced: what a decoder leaks does not add up.
MOST_REQUESTS = 500
_START_SECONDS = 120.0  # the first start on a machine compiles; 20 s were seen on two busy cores
_BLOCK_BYTES = 1 << 16
_PEAK_BYTES = 12

Progress = Callable[[float, float | None], None]
"""Takes the seconds of sound that were read, and of how many, None where the file does not say."""


@dataclass(frozen=True, slots=True)
class ReadClip:
    """A clip that was read; `is_cut` when it is longer than what was asked for."""

    fingerprint: Fingerprint
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Waveform:
    """How loud a recording is over its length: one byte for each of equal stretches."""

    seconds: float
    levels: bytes


@dataclass(frozen=True, slots=True)
class Spectrogram:
    """A picture of a stretch of sound: a byte for each place, column by column, each from the lowest frequency."""

    columns: int
    rows: int
    levels: bytes


class ClipWorkers:
    """A few warm processes that read clips; safe to share between threads."""

    def __init__(self, count: int, memory_bytes: int = MEMORY_BYTES) -> None:
        self._memory_bytes = memory_bytes
        self._free = threading.BoundedSemaphore(count)
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._count = count
        self._is_closed = False

    def warm_up(self) -> None:
        """Start every process now, so that the first clip does not wait for it."""
        started = [_Worker(self._memory_bytes) for _ in range(self._count)]
        for worker in started:
            with suppress(UnavailableError):
                worker.wait_until_ready()
        with self._lock:
            room = self._count - len(self._idle)
            self._idle += [] if self._is_closed else started[:room]
            spare = started if self._is_closed else started[room:]
        for worker in spare:
            worker.kill()

    def fingerprint(
        self,
        path: Path,
        *,
        seconds: float,
        maximum_seconds: float,
        versions: Collection[int] = (),
        on_progress: Progress | None = None,
    ) -> ReadClip:
        """Return the fingerprint of a file's first audio stream, of at most `maximum_seconds` of sound.

        `seconds` is how long that may take, `versions` are those that it has beside the current one. Raises MediaError
        for a file that is no usable audio, TooLargeError for one that takes more memory than a process gets, InputError
        for one that takes longer, UnavailableError when no process starts.
        """
        request: dict[str, object] = {"mode": "fingerprint", "path": str(path), "seconds": seconds}
        request |= {"maximum_seconds": maximum_seconds, "versions": [*versions]}
        answer, data = self._ask(request, seconds, on_progress)
        made, offset = [], 0
        for version, count in answer["peaks"]:
            peaks = _read_peaks(data, offset, count)
            made.append(Fingerprint(peaks, answer["seconds"], version, answer["truncated"]))
            offset += _PEAK_BYTES * count
        return ReadClip(replace(made[0], older=tuple(made[1:])), answer["is_cut"])

    def waveform(self, path: Path, *, seconds: float) -> Waveform:
        """Return how loud a file is over its length; raises as `fingerprint` does."""
        answer, data = self._ask({"mode": "waveform", "path": str(path), "seconds": seconds}, seconds, None)
        return Waveform(answer["seconds"], data)

    def spectrogram(self, path: Path, start: float, end: float, *, seconds: float) -> Spectrogram:
        """Return what a stretch of a file looks like; raises as `fingerprint` does."""
        request: dict[str, object] = {"mode": "spectrogram", "path": str(path), "seconds": seconds}
        answer, data = self._ask(request | {"from": start, "to": end}, seconds, None)
        return Spectrogram(answer["columns"], answer["rows"], data)

    def close(self) -> None:
        """End every process."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.kill()

    def _ask(
        self, request: dict[str, object], seconds: float, on_progress: Progress | None
    ) -> tuple[dict[str, Any], bytes]:
        with self._worker() as worker:
            answer, data = worker.ask(request, seconds, on_progress)
        if "media" in answer:
            raise MediaError(Reason(answer["media"]), answer["message"])
        if answer.get("memory"):
            raise TooLargeError("The file takes more memory to decode than a clip may; convert it to audio first.")
        return answer, data

    @contextmanager
    def _worker(self) -> Iterator[_Worker]:
        with self._free:
            with self._lock:
                worker = self._idle.pop() if self._idle else None
            if worker is not None and not worker.is_alive:
                worker.kill()  # it died while it waited: its pipes are still ours
                worker = None
            if worker is None:
                worker = _Worker(self._memory_bytes)
                worker.wait_until_ready()
            try:
                yield worker
            except BaseException:
                worker.kill()
                raise
            with self._lock:
                is_kept = worker.is_alive and worker.requests < MOST_REQUESTS and not self._is_closed
                if is_kept:
                    self._idle.append(worker)
            if not is_kept:
                worker.kill()


def _read_peaks(data: bytes, offset: int, count: int) -> Peaks:
    columns = [
        np.frombuffer(data, kind, count, offset + place * count) for kind, place in (("<i4", 0), ("<f4", 4), ("<f4", 8))
    ]
    return Peaks(columns[0].astype(np.int32), columns[1].astype(np.float32), columns[2].astype(np.float32))


class _Worker:
    """One process."""

    def __init__(self, memory_bytes: int) -> None:
        # None of our own settings, so that nothing secret is within reach of what comes from outside.
        kept = ("LANG", "LC_ALL", "NUMBA_CACHE_DIR", "HOME", "TMPDIR")
        environment = {name: os.environ[name] for name in kept if name in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "sonicgen.steps.clip_worker", str(memory_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment
            | {
                "PATH": os.defpath,
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                # One thread each for the libraries: a process reads one clip at a time.
                "OMP_NUM_THREADS": "1",
                "OPENBLAS_NUM_THREADS": "1",
                "MALLOC_ARENA_MAX": "2",
            },
            start_new_session=True,
        )
        self._answers = cast(IO[bytes], self._process.stdout)
        self._requests = cast(IO[bytes], self._process.stdin)
        os.set_blocking(self._answers.fileno(), False)
        self._buffer = b""
        self._is_ready = False
        self.requests = 0

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def wait_until_ready(self) -> None:
        if self._is_ready:
            return
        try:
            self._read_answer(time.monotonic() + _START_SECONDS)
        except (EOFError, TimeoutError) as error:
            self.kill()
            raise UnavailableError("The process that reads clips does not start; try again.") from error
        self._is_ready = True

    def ask(
        self, request: dict[str, object], seconds: float, on_progress: Progress | None
    ) -> tuple[dict[str, Any], bytes]:
        self.wait_until_ready()
        self.requests += 1
        deadline = time.monotonic() + seconds
        try:
            self._requests.write(json.dumps(request).encode() + b"\n")
            self._requests.flush()
            while True:
                answer, data = self._read_answer(deadline)
                if "done_seconds" not in answer:
                    return answer, data
                if on_progress is not None:
                    on_progress(answer["done_seconds"], answer["of_seconds"])
        except TimeoutError as error:
            self.kill()
            raise InputError(f"The file takes longer than {seconds:g} s to decode; cut it or convert it.") from error
        except (EOFError, OSError) as error:
            self.kill()
            raise MediaError(Reason.NOT_AUDIO, "The file broke its decoder; it is damaged or no audio.") from error

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        with suppress(BrokenPipeError):
            self._requests.close()
        self._answers.close()

    def _read_answer(self, deadline: float) -> tuple[dict[str, Any], bytes]:
        while b"\n" not in self._buffer:
            self._buffer += self._read_some(deadline)
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer = json.loads(line)
        parts, have = [self._buffer], len(self._buffer)
        while have < answer["bytes"]:
            parts.append(self._read_some(deadline))
            have += len(parts[-1])
        whole = b"".join(parts)
        self._buffer = whole[answer["bytes"] :]
        return answer, whole[: answer["bytes"]]

    def _read_some(self, deadline: float) -> bytes:
        with selectors.DefaultSelector() as selector:
            selector.register(self._answers, selectors.EVENT_READ)
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
        data = os.read(self._answers.fileno(), _BLOCK_BYTES)
        if not data:
            raise EOFError
        return data
