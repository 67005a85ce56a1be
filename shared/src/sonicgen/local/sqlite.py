"""A sqlite file with named statements, shared by the threads of one server."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path

Value = str | int | float | bytes | None

_HEADING = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def read_queries(package: str) -> dict[str, str]:
    """Return the named statements of a package's `sql/queries.sql`."""
    text = files(package).joinpath("sql/queries.sql").read_text("utf-8")
    pieces = _HEADING.split(text)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


class Database:
    """One connection that all threads share, one at a time.

    Its tables are those of the package's `sql/schema.sql`. Statements take well under a millisecond, so a lock costs
    less than a pool, and a check can never be separated from the write that depends on it by another request.
    """

    def __init__(self, path: Path, package: str) -> None:
        self._queries = read_queries(package)
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        # FULL: what a client was told is stored must outlive a power cut.
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.executescript(files(package).joinpath("sql/schema.sql").read_text("utf-8"))

    def close(self) -> None:
        """Close the file; nothing may be called afterwards."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything within it happen together or not at all."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a full disk may have rolled it back already
                    self._connection.execute("ROLLBACK")
                raise

    def all(self, query: str, **values: Value) -> list[sqlite3.Row]:
        """Run a named query and return its rows."""
        with self._lock:
            return self._connection.execute(self._queries[query], values).fetchall()

    def one(self, query: str, **values: Value) -> sqlite3.Row | None:
        """Run a named query and return its first row."""
        rows = self.all(query, **values)
        return rows[0] if rows else None

    def run(self, query: str, **values: Value) -> int:
        """Run a named statement and return how many rows it changed."""
        with self._lock:
            return self._connection.execute(self._queries[query], values).rowcount
