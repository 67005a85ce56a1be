"""The bytes of objects: files under names of our own, complete before anything refers to them."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import uuid
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Self

import google_crc32c

BLOCK_BYTES = 1 << 20  # one disk read or write, and about what a transfer holds in memory
_PART = ".part"


@dataclass(frozen=True, slots=True)
class Body:
    """The bytes of one object, whole and on disk; hashes are base64 as the API writes them."""

    file: str
    size_bytes: int
    md5: str | None
    crc32c: str
    component_count: int | None = None


class Digest:
    """The hashes and the length of the bytes seen so far."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._crc32c = google_crc32c.Checksum()

    def update(self, data: bytes) -> None:
        """Take in the next bytes."""
        self._md5.update(data)
        self._crc32c.update(data)
        self.size_bytes += len(data)

    def body(self, file: str) -> Body:
        """Return the description of a file that holds exactly these bytes."""
        return Body(file, self.size_bytes, _base64(self._md5.digest()), _base64(self._crc32c.digest()))


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode("ascii")


class Part:
    """A file that is being written. Call it from worker threads only; a context manager closes it."""

    def __init__(self, path: Path, digest: Digest) -> None:
        self._path = path
        self._digest = digest
        self._handle: BinaryIO = path.open("r+b" if path.exists() else "w+b", buffering=0)
        self._handle.truncate(digest.size_bytes)
        self._handle.seek(digest.size_bytes)

    @property
    def size_bytes(self) -> int:
        """How many bytes have been taken in."""
        return self._digest.size_bytes

    def append(self, data: bytes) -> None:
        """Write all of `data`, or raise OSError and leave the file as it was."""
        before = self._digest.size_bytes
        view = memoryview(data)
        try:
            while view:
                view = view[self._handle.write(view) :]
        except OSError:
            self._handle.truncate(before)
            self._handle.seek(before)
            raise
        self._digest.update(data)

    def flush(self) -> None:
        """Return once the bytes are on the disk."""
        os.fsync(self._handle.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.close()


class ObjectFiles:
    """The folder of objects' bytes.

    A file's name is random and says nothing of the object's, so no object name can reach out of the folder. `NAME.part`
    is being written; `NAME` is complete.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def new_name(self) -> str:
        """Return a name for a file that does not exist yet."""
        return uuid.uuid4().hex

    def open_part(self, file: str, digest: Digest) -> Part:
        """Go on writing a part after the bytes that `digest` has seen."""
        return Part(self._folder / (file + _PART), digest)

    def digest_part(self, file: str) -> Digest:
        """Return the digest of what a part holds already, reading it all."""
        digest = Digest()
        try:
            with (self._folder / (file + _PART)).open("rb", buffering=0) as handle:
                while block := handle.read(BLOCK_BYTES):
                    digest.update(block)
        except FileNotFoundError:
            pass
        return digest

    def complete(self, file: str, digest: Digest) -> Body:
        """Turn a part into an object's file; afterwards a row may name it."""
        with self.open_part(file, digest) as part:
            part.flush()
        (self._folder / (file + _PART)).rename(self._folder / file)
        self._flush_folder()
        return digest.body(file)

    def reopen(self, file: str) -> None:
        """Turn an object's file back into a part, for an upload that is not over after all."""
        (self._folder / file).rename(self._folder / (file + _PART))

    def open(self, file: str) -> BinaryIO:
        """Open an object's bytes; they stay readable when the object is deleted meanwhile."""
        return (self._folder / file).open("rb", buffering=0)

    def duplicate(self, body: Body) -> Body:
        """Return the same bytes under a name of their own; without copying where the file system can."""
        name = self.new_name()
        try:
            (self._folder / name).hardlink_to(self._folder / body.file)
        except FileNotFoundError:
            raise
        except OSError:
            part = self._folder / (name + _PART)
            with (self._folder / body.file).open("rb") as source, part.open("wb") as target:
                shutil.copyfileobj(source, target, BLOCK_BYTES)
                target.flush()
                os.fsync(target.fileno())
            part.rename(self._folder / name)
        self._flush_folder()
        return replace(body, file=name)

    def join(self, files: list[str], component_count: int) -> Body:
        """Return the bytes of several files one after the other; like the cloud's composed objects without MD5."""
        name, digest = self.new_name(), Digest()
        try:
            with self.open_part(name, digest) as part:
                for file in files:
                    with self.open(file) as source:
                        while block := source.read(BLOCK_BYTES):
                            part.append(block)
            return replace(self.complete(name, digest), md5=None, component_count=component_count)
        except BaseException:
            self.discard(name)
            raise

    def discard(self, file: str) -> None:
        """Remove a file or its part, whichever there is."""
        (self._folder / file).unlink(missing_ok=True)
        (self._folder / (file + _PART)).unlink(missing_ok=True)

    def sweep(self, complete: Collection[str], parts: Collection[str]) -> int:
        """Remove what a crash left behind: every file that no row names. Return how many.

        `parts` are the files of unfinished uploads; one that was complete but in no row yet goes back to being a part.
        """
        for part in parts:
            if (self._folder / part).exists():
                self.reopen(part)
        known = {*complete, *(part + _PART for part in parts)}
        strays = [path for path in self._folder.iterdir() if path.name not in known]
        for path in strays:
            path.unlink()
        return len(strays)

    def _flush_folder(self) -> None:
        handle = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
