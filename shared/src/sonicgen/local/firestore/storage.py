"""The documents in one sqlite file. Everything here blocks and belongs to the engine's one thread."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import resources
from pathlib import Path

from sonicgen.local.firestore.messages import Document, Message
from sonicgen.local.firestore.paths import collection_of, subtree

_BUSY_SECONDS = 5.0  # another process with the same file open (a backup, a shell) holds it only for moments


@cache
def _statements() -> dict[str, str]:
    text = resources.files("sonicgen.local.firestore").joinpath("statements.sql").read_text()
    parts = re.split(r"^-- :(\w+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _document(row: tuple[str, bytes, int, int]) -> Message:
    name, content, created, updated = row
    document = Document.FromString(content)
    document.name = name
    document.create_time.FromMicroseconds(created)
    document.update_time.FromMicroseconds(updated)
    return document


class Reader:
    """Documents as one connection sees them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, name: str) -> Message | None:
        """Return a document, None when it does not exist."""
        row = self._connection.execute(_statements()["get"], {"name": name}).fetchone()
        return None if row is None else _document(row)

    def in_collection(self, collection: str) -> Iterator[Message]:
        """Yield the documents directly in a collection, by name."""
        yield from self._scan("in_collection", collection=collection)

    def in_group(self, parent: str, collection_id: str) -> Iterator[Message]:
        """Yield the documents below a parent in collections of this id; in all collections when the id is empty."""
        low, high = subtree(parent)
        statement = "in_group" if collection_id else "in_subtree"
        yield from self._scan(statement, collection_id=collection_id, low=low, high=high)

    def names_below(self, parent: str) -> Iterator[str]:
        """Yield the names of all documents below a document, a collection or a root."""
        low, high = subtree(parent)
        for (name,) in self._connection.execute(_statements()["names_in_subtree"], {"low": low, "high": high}):
            yield name

    def last_time(self) -> int:
        """Return the time of the last commit that this connection sees, in microseconds."""
        time_of_commit: int = self._connection.execute(_statements()["last_time"]).fetchone()[0]
        return time_of_commit

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def _scan(self, statement: str, **values: str) -> Iterator[Message]:
        for row in self._connection.execute(_statements()[statement], values):
            yield _document(row)


class Store(Reader):
    """The one writer. A commit is on disk before `transaction` ends, all of it or nothing."""

    def __init__(self, database: Path, wall_clock: Callable[[], float] = time.time) -> None:
        database.parent.mkdir(parents=True, exist_ok=True)
        self._database = database
        super().__init__(self._connect())
        self._connection.executescript(_statements()["tables"])
        # Leases are judged by these times. They follow the wall clock once, at the start, and then a clock that nobody
        # can set, so that a corrected wall clock neither ends a lease early nor stretches it.
        self._started_at = max(int(wall_clock() * 1e6), self.last_time())
        self._monotonic_start = time.monotonic_ns()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._database, isolation_level=None, timeout=_BUSY_SECONDS, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # an answered commit survives a power cut too
        return connection

    def now(self) -> int:
        """Return the time for a read, in microseconds: never before a commit that the read can see."""
        return max(self._started_at + (time.monotonic_ns() - self._monotonic_start) // 1000, self.last_time())

    @contextmanager
    def transaction(self) -> Iterator[int]:
        """Apply a block of writes at once; gives the commit's time, later than that of every commit before."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            commit_time = max(self.now(), self.last_time() + 1)
            self._connection.execute(_statements()["set_last_time"], {"time": commit_time})
            yield commit_time
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # a full disk may have rolled back already
                self._connection.execute("ROLLBACK")
            raise

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Within a transaction: take back only this block when it raises."""
        self._connection.execute("SAVEPOINT one_write")
        try:
            yield
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK TO one_write")
                self._connection.execute("RELEASE one_write")
            raise
        self._connection.execute("RELEASE one_write")

    def put(self, name: str, fields: Message, created: int, updated: int) -> None:
        """Write a document. `fields` is a Document of which only the fields are kept; times in microseconds."""
        collection = collection_of(name)
        row = {
            "name": name,
            "collection": collection,
            "collection_id": collection.rsplit("/", 1)[1],
            "content": Document(fields=fields.fields).SerializeToString(deterministic=True),
            "create_time": created,
            "update_time": updated,
        }
        self._connection.execute(_statements()["put"], row)

    def delete(self, name: str) -> None:
        """Remove a document, if it exists."""
        self._connection.execute(_statements()["delete"], {"name": name})

    def snapshot(self) -> Reader:
        """Return a reader that goes on seeing the documents as they are now; the caller closes it."""
        connection = self._connect()
        connection.execute("BEGIN")
        reader = Reader(connection)
        reader.last_time()  # sqlite fixes what is seen at the first read
        return reader
