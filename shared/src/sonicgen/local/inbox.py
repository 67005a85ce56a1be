"""The bucket's door for people: files copied into DATA/inbox are uploaded.

python -m sonicgen.local.inbox DATA

Files stay where they are. What was uploaded is remembered by path, size and time of change, so that a start does not
read everything again; losing that memory costs a second reading, nothing more, for an equal upload changes nothing.
"""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sonicgen.errors import SonicGenError
from sonicgen.local.folder import DataFolder
from sonicgen.log import log, log_context, setup_logging
from sonicgen.settings import Settings, settings
from sonicgen.steps.add_recording import add_recording

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
# Rest this many times as long as a look took, so that a folder of a hundred thousand files does not keep a core busy.
REST = 20
# Names that copying programs give to files that are not whole yet.
PARTIAL_SUFFIXES = (".part", ".partial", ".crdownload", ".tmp", ".swp")

Signature = tuple[int, int]  # size in bytes, time of change in nanoseconds


class Inbox:
    """Watches one folder by looking again and again; works on every file system, network ones too."""

    def __init__(self, folder: Path, memory: Path, upload: Callable[[Path], object]) -> None:
        self._folder = folder
        self._upload = upload
        self._memory = sqlite3.connect(memory)
        self._memory.execute(
            "CREATE TABLE IF NOT EXISTS uploaded (path TEXT PRIMARY KEY, size INTEGER, changed_ns INTEGER)"
        )
        rows = self._memory.execute("SELECT path, size, changed_ns FROM uploaded")
        self._uploaded: dict[str, Signature] = {path: (size, changed_ns) for path, size, changed_ns in rows}
        self._seen: dict[str, Signature] = {}

    def close(self) -> None:
        """Close the memory."""
        self._memory.close()

    def look(self) -> int:
        """Upload what is new and at rest since the last look; return how many files were uploaded."""
        present = dict(self._present())
        settled = [
            path
            for path, signature in present.items()
            if self._seen.get(path) == signature and self._uploaded.get(_key(path)) != signature
        ]
        self._seen = present
        return sum(self._take(path, present[path]) for path in settled)

    def _present(self) -> Iterator[tuple[str, Signature]]:
        for parent, folders, names in os.walk(self._folder):
            folders[:] = [folder for folder in folders if not folder.startswith(".")]
            for name in names:
                if name.startswith(".") or name.endswith(PARTIAL_SUFFIXES):
                    continue
                path = Path(parent, name)
                try:
                    status = path.stat()
                except OSError:  # gone again
                    continue
                yield str(path), (status.st_size, status.st_mtime_ns)

    def _take(self, path: str, signature: Signature) -> bool:
        with log_context(path=path):
            try:
                self._upload(Path(path))
            except SonicGenError as error:
                log(logger, f"Not uploaded, tried again: {error}", level=logging.WARNING)
                return False
        with self._memory:
            self._memory.execute("INSERT OR REPLACE INTO uploaded VALUES (?, ?, ?)", (_key(path), *signature))
        self._uploaded[_key(path)] = signature
        return True


def _key(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode()


def watch(folder: DataFolder, settings: Settings, stopping: threading.Event) -> None:
    """Look until told to stop."""
    inbox = Inbox(folder.inbox, folder.run / "inbox.sqlite", lambda path: add_recording(settings, path))
    try:
        pause_seconds = LOOK_SECONDS
        while not stopping.wait(pause_seconds):
            started = time.monotonic()
            uploaded = inbox.look()
            # What was uploaded took its time, not the looking; and where something came, more may be coming.
            pause_seconds = LOOK_SECONDS if uploaded else max(LOOK_SECONDS, REST * (time.monotonic() - started))
    finally:
        inbox.close()


def main() -> None:
    """Watch the inbox of the data folder named on the command line."""
    setup_logging()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    watch(DataFolder(Path(sys.argv[1])), settings(), stopping)


if __name__ == "__main__":
    main()
