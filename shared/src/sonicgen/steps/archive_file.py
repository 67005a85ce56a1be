"""The file of an archive: a tar of gzipped pieces of rows, between what it holds and what it adds up to.

Its first member, `sonicgen-index.json`, says the format, the release, the migrations of the schema, and of each table
the columns. Then come the tables, in an order in which they can be filled, as `TABLE/000000.gz` and so on: whole rows
as COPY's binary format has them, without its header and trailer. The last member, `end.json`, has the rows, bytes and
SHA-256 of each table and the SHA-256 of the first member: without it the file is cut off. Pieces are a few megabytes,
so that writing and reading take no more memory than that.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from sonicgen.errors import InputError

FORMAT = 1
FIRST, LAST = "sonicgen-index.json", "end.json"
PIECE_BYTES = 4 << 20
# Packed postings hardly get smaller, texts by two thirds at any level; 1 is four times as fast as 6.
_LEVEL = 1


@dataclass(slots=True)
class Sum:
    """What the rows of a table add up to."""

    rows: int = 0
    size_bytes: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def to_json(self) -> dict[str, object]:
        """Return the form in the file."""
        return {"rows": self.rows, "bytes": self.size_bytes, "sha256": self.digest.hexdigest()}


@dataclass(frozen=True, slots=True)
class Head:
    """What the file says of itself at its beginning."""

    format: int
    release: str
    made_at: str
    has_voices: bool
    migrations: tuple[str, ...]
    tables: dict[str, tuple[str, ...]]  # the names of their columns

    def to_json(self) -> dict[str, object]:
        """Return the form in the file."""
        return {
            "format": self.format,
            "release": self.release,
            "made_at": self.made_at,
            "has_voices": self.has_voices,
            "migrations": list(self.migrations),
            "tables": {name: list(columns) for name, columns in self.tables.items()},
        }


class ArchiveWriter:
    """Writes an archive table by table."""

    def __init__(self, tar: tarfile.TarFile, head: Head) -> None:
        self._tar = tar
        self._sums: dict[str, Sum] = {}
        first = _encode(head.to_json())
        self._head_digest = hashlib.sha256(first).hexdigest()
        self._add(FIRST, first)

    def add_table(self, name: str, rows: Iterable[bytes]) -> Sum:
        """Write the rows of a table, each whole."""
        total = self._sums[name] = Sum()
        piece, number = bytearray(), 0
        for row in rows:
            piece += row
            total.rows += 1
            if len(piece) >= PIECE_BYTES:
                number = self._add_piece(name, number, total, piece)
        if piece:
            self._add_piece(name, number, total, piece)
        return total

    def end(self) -> dict[str, Sum]:
        """Write what it all adds up to, and return it."""
        sums = {name: total.to_json() for name, total in self._sums.items()}
        self._add(LAST, _encode({"first_sha256": self._head_digest, "tables": sums}))
        return self._sums

    def _add_piece(self, name: str, number: int, total: Sum, piece: bytearray) -> int:
        total.digest.update(piece)
        total.size_bytes += len(piece)
        self._add(f"{name}/{number:06d}.gz", gzip.compress(piece, _LEVEL, mtime=0))
        piece.clear()
        return number + 1

    def _add(self, name: str, content: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        self._tar.addfile(member, BytesIO(content))


class ArchiveReader:
    """Reads an archive from its beginning to its end, and checks it on the way."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._sums: dict[str, Sum] = {}
        self._next: tuple[str, bytes] | None = self._read_next()
        if self._next is None or self._next[0] != FIRST:
            raise InputError("The file is no archive of SonicGen's index.")
        self._head_digest = hashlib.sha256(self._next[1]).hexdigest()
        self.head = _read_head(self._next[1])
        self._next = self._read_next()

    def tables(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yield each table's name and its pieces, which are to be read before the next table is asked for.

        Raises InputError at the end of a table that is not what was written.
        """
        for name in self.head.tables:
            self._sums[name] = Sum()
            yield name, self._pieces(name)
        self._check_end()

    def _pieces(self, name: str) -> Iterator[bytes]:
        total, number = self._sums[name], 0
        while self._next is not None and self._next[0] == f"{name}/{number:06d}.gz":
            try:
                piece = gzip.decompress(self._next[1])
            except (OSError, EOFError, zlib.error) as error:
                raise _altered(f"{name}/{number:06d}.gz") from error
            total.digest.update(piece)
            total.size_bytes += len(piece)
            yield piece
            number += 1
            self._next = self._read_next()

    def _check_end(self) -> None:
        if self._next is None:
            raise InputError("The archive is cut off: its end is missing.")
        name, content = self._next
        if name != LAST:
            raise _altered(name)
        try:
            told = json.loads(content)
            sums, first = told["tables"], told["first_sha256"]
            if first != self._head_digest:
                raise _altered(FIRST)
            for table, total in self._sums.items():
                if (sums[table]["sha256"], sums[table]["bytes"]) != (total.digest.hexdigest(), total.size_bytes):
                    raise _altered(table)
        except (ValueError, KeyError, TypeError) as error:
            raise _altered(LAST) from error

    def _read_next(self) -> tuple[str, bytes] | None:
        try:
            member = self._tar.next()
            if member is None:
                return None
            file = self._tar.extractfile(member) if member.isfile() else None
            if file is None:
                raise _altered(member.name)
            content = file.read()
        except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
            raise InputError(f"The archive is cut off or damaged: {error}.") from error
        if len(content) != member.size:
            raise InputError("The archive is cut off in the middle.")
        return member.name, content


@contextmanager
def reading(path: Path) -> Iterator[ArchiveReader]:
    """Open an archive inside the block; raise InputError for what is none, and for one of a newer format."""
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r|") as tar:
            yield ArchiveReader(tar)
    except tarfile.ReadError as error:
        raise InputError(f"{path} is no archive of SonicGen's index.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error


def verify(path: Path) -> Head:
    """Read an archive to its end and return what it says of itself; raise InputError when anything is wrong with it."""
    with reading(path) as archive:
        for _, pieces in archive.tables():
            for _ in pieces:
                pass
        return archive.head


def _read_head(content: bytes) -> Head:
    try:
        told = json.loads(content)
        if told["format"] > FORMAT:
            raise InputError(
                f"The archive has format {told['format']} and this release reads up to {FORMAT}; update SonicGen."
            )
        return Head(
            told["format"],
            str(told["release"]),
            str(told["made_at"]),
            bool(told["has_voices"]),
            tuple(told["migrations"]),
            {str(name): tuple(columns) for name, columns in told["tables"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _altered(FIRST) from error


def _altered(where: str) -> InputError:
    return InputError(f"The archive was altered or damaged at {where}; take another copy of it.")


def _encode(value: object) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()
