"""Temporary folders that never leak: gone when their work ends, and swept when their worker was killed."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_MARK = ".lock"


@contextmanager
def scratch_folder(root: Path) -> Iterator[Path]:
    """Give an empty folder below `root` inside the block.

    A lock beside it says that its process lives; the system gives it back however that process ends.
    """
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = root / f"job-{secrets.token_hex(8)}"
    lock = folder.with_name(folder.name + _MARK)
    held = _hold(lock)
    try:
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(FileNotFoundError):
            lock.unlink()
        os.close(held)


def sweep(root: Path) -> int:
    """Remove what killed workers left below `root`; return how many folders that were."""
    swept = 0
    for lock in root.glob(f"job-*{_MARK}"):
        try:
            found = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
        except OSError:  # its owner was faster
            continue
        try:
            fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
            folder = lock.with_name(lock.name.removesuffix(_MARK))
            swept += folder.exists()
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(FileNotFoundError):
                lock.unlink()
        except BlockingIOError:
            continue
        finally:
            os.close(found)
    return swept


def _hold(lock: Path) -> int:
    """Return the open, locked file; a sweep that came between its creation and its lock has removed it again."""
    while True:
        opened = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(opened, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if lock.stat().st_ino == os.fstat(opened).st_ino:
                return opened
        os.close(opened)
