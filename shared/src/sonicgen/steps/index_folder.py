"""Bring a folder of recordings into the system: upload what is not known yet, several at a time, and wait for each.

The bytes have to lie in the bucket, for transcription and for listening; so a file takes the way that every upload
takes, and what this step adds is width, order and a memory: nothing is uploaded that is known by its content, so a
second run goes on where the first was interrupted.
"""

from __future__ import annotations

import base64
import hashlib
import os
import queue
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sonicgen.cloud.objects import describe_object
from sonicgen.domain.recording import MatchStatus, Recording, recording_id
from sonicgen.errors import InputError, NotFoundError, SonicGenError, TransientError, UnavailableError
from sonicgen.steps.add_recording import add_recording, object_name
from sonicgen.steps.services import Services
from sonicgen.store import recordings

# What people keep recordings in. An archive is full of covers, subtitles and lists, which are no failures of ours.
SUFFIXES = frozenset(
    {".3gp", ".aac", ".ac3", ".aif", ".aiff", ".amr", ".ape", ".au", ".avi", ".caf", ".dts", ".eac3", ".flac", ".flv",
     ".m2ts", ".m4a", ".m4b", ".m4v", ".mka", ".mkv", ".mov", ".mp2", ".mp3", ".mp4", ".mpc", ".mpeg", ".mpg", ".mts",
     ".oga", ".ogg", ".ogv", ".opus", ".ra", ".rm", ".ts", ".tta", ".vob", ".wav", ".weba", ".webm", ".wma", ".wmv",
     ".wv"}
)  # fmt: skip
LOOK_SECONDS = 0.2
# When nothing at all was finished for this long, what is still waiting has lost its worker (steps/replay.py).
STALLED_SECONDS = 3_600.0
_READ_BYTES = 1 << 20


class _Stopped(Exception):  # noqa: N818 - not an error: somebody asked for it
    """The run is over; what is under way is let go."""


@dataclass(frozen=True, slots=True)
class Indexed:
    """What became of a file: the recording it is, or why it is none.

    `was_known` says that nothing had to be done: its bytes were there, and final.
    """

    path: Path
    recording: Recording | None = None
    was_known: bool = False
    problem: str | None = None

    @property
    def is_failed(self) -> bool:
        """Whether somebody has to look at it."""
        return self.recording is None or self.recording.match_status is MatchStatus.FLAG

    @property
    def state(self) -> str:
        """Its state in a word."""
        if self.recording is None:
            return "failed"
        return "known" if self.was_known and not self.is_failed else str(self.recording.match_status)

    @property
    def why(self) -> str:
        """A sentence for people."""
        return self.problem or (self.recording.explain() if self.recording else "")


def find_files(folder: Path, everything: bool = False) -> list[Path]:
    """Return the recordings in a folder and the folders in it, by name, without hidden ones; `everything`: all files.

    Raises InputError when the folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename} cannot be read: {error.strerror}.") from error

    found: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = (Path(parent, name) for name in sorted(names) if not name.startswith("."))
        found += [path for path in paths if (everything or path.suffix.lower() in SUFFIXES) and path.is_file()]
    return found


def index_folder(services: Services, files: Iterable[Path], at_a_time: int) -> Generator[Indexed, None, None]:
    """Upload files, `at_a_time` of them under way until each is final; yield what becomes of each, as it happens.

    Closed early, it lets go of what is under way: an upload that has begun is given up, what was uploaded is finished
    by the system. Raises UnavailableError when a service does not answer; files that are not through by then can be
    given again.
    """
    _ = services.database  # made before the threads that share it
    with _working(services, iter(files), at_a_time) as results:
        yield from results


@contextmanager
def _working(services: Services, files: Iterator[Path], at_a_time: int) -> Iterator[Iterator[Indexed]]:
    crew = _Crew(services, files)
    threads = [threading.Thread(target=crew.work, name=f"index-{n}", daemon=True) for n in range(at_a_time)]
    for thread in threads:
        thread.start()
    try:
        yield crew.results(at_a_time)
    finally:
        crew.stopping.set()
        for thread in threads:
            thread.join()


class _Crew:
    """Threads that take files from one list and lay what becomes of them into one queue."""

    def __init__(self, services: Services, files: Iterator[Path]) -> None:
        self._services = services
        self._files = files
        self._lock = threading.Lock()
        self._done: queue.SimpleQueue[Indexed | Exception | None] = queue.SimpleQueue()
        self._finished_at = time.monotonic()
        self.stopping = threading.Event()

    def results(self, workers: int) -> Iterator[Indexed]:
        """Yield what comes until every worker has gone home."""
        while workers:
            item = self._done.get()
            if item is None:
                workers -= 1
            elif isinstance(item, Exception):
                raise item
            else:
                yield item

    def work(self) -> None:
        """Take file after file until none is left."""
        try:
            while not self.stopping.is_set() and (path := self._next()) is not None:
                self._done.put(self._take(path))
                self._finished_at = time.monotonic()
        except _Stopped:
            pass
        except Exception as error:  # it ends the run in the caller's thread
            self._done.put(error)
        finally:
            self._done.put(None)

    def _next(self) -> Path | None:
        with self._lock:
            return next(self._files, None)

    def _take(self, path: Path) -> Indexed:
        try:
            known = find_known(self._services, path)
            if known is not None and known.is_final:
                return Indexed(path, known, was_known=True)
            identifier = known.id if known else self._upload(path)
            return self._wait(path, identifier)
        except UnavailableError:
            raise
        except (SonicGenError, OSError) as error:
            sentence = f"{path} cannot be read: {error.strerror}." if isinstance(error, OSError) else str(error)
            return Indexed(path, problem=sentence)

    def _upload(self, path: Path) -> UUID:
        return add_recording(self._services.settings, path, self._check_stop).recording_id

    def _check_stop(self, _sent: int, _size: int) -> None:
        if self.stopping.is_set():
            raise _Stopped

    def _wait(self, path: Path, identifier: UUID) -> Indexed:
        while not self.stopping.wait(LOOK_SECONDS):
            recording = recordings.find(self._services.database, identifier)
            if recording is not None and recording.is_final:
                return Indexed(path, recording)
            if time.monotonic() - self._finished_at > STALLED_SECONDS:
                raise TransientError("It is uploaded but nobody works on it; try `sonicgen replay`.")
        raise _Stopped


def find_known(services: Services, path: Path) -> Recording | None:
    """Return the recording that holds a file's very bytes, None when there is none: it is to be uploaded.

    That is what was uploaded from it before, under way or final, or an original that came under another name.
    """
    with suppress(NotFoundError):
        stored = describe_object(services.settings.inbox_bucket, object_name(path))
        identifier = recording_id(stored.bucket, stored.name, stored.generation)
        return recordings.find(services.database, identifier)
    md5, size_bytes = _md5(path)
    return recordings.find_identical(services.database, md5, size_bytes, not_id=_NOBODY)


_NOBODY = UUID(int=0)


def _md5(path: Path) -> tuple[str, int]:
    """Return a file's MD5 as Cloud Storage writes it, and its size."""
    digest = hashlib.md5(usedforsecurity=False)
    size_bytes = 0
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
            size_bytes += len(block)
    return base64.b64encode(digest.digest()).decode(), size_bytes
