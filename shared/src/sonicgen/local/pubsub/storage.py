"""The sqlite file and the one thread that works on it, so that nothing here blocks the event loop.

Every piece of work is one transaction, committed before its caller goes on. With a write-ahead log and
`synchronous=NORMAL` a commit survives the death of the process at any moment; only a power cut may take the last ones.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from google.pubsub_v1 import types

from sonicgen.errors import LocalError, UnavailableError
from sonicgen.local.pubsub.faults import StorageFullError
from sonicgen.local.pubsub.queries import QUERIES, SCHEMA
from sonicgen.local.pubsub.records import Catalog, make_subscription, make_topic

T = TypeVar("T")
Work = Callable[[sqlite3.Connection, Catalog], T]

# Kept in the file's `user_version`.
SCHEMA_VERSION = 1

# The write-ahead log is cut back to this size after a burst.
_JOURNAL_BYTES = 16 * 1024 * 1024


class Storage:
    """The queue's file; `catalog` is always the newest committed one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pubsub-storage")
        self._closed = False
        self._connection: sqlite3.Connection | None = None
        self.catalog = Catalog()

    async def open(self) -> None:
        """Open or create the file; what was in flight when the process died is ready again.

        Raises LocalError when the file cannot be used.
        """
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._open)
        except (sqlite3.Error, OSError) as error:
            self._closed = True
            self._thread.shutdown()
            raise LocalError(
                f"The queue {self._path} cannot be opened ({error}); move it away to start anew."
            ) from error

    async def close(self) -> None:
        """Finish the work under way and close the file; closing twice does nothing more."""
        if self._closed:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    async def run(self, work: Work[T]) -> T:
        """Do `work` in a transaction and return what it returns.

        Raises StorageFullError when the disk is full, UnavailableError for any other fault of the file.
        """
        return await self._submit(work, renew=False)

    async def change(self, work: Work[T]) -> T:
        """Do `work` that changes topics or subscriptions, then renew the catalog."""
        return await self._submit(work, renew=True)

    async def _submit(self, work: Work[T], *, renew: bool) -> T:
        if self._closed:
            raise UnavailableError("The embedded Pub/Sub is stopped; start it again.")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, work, renew)

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, isolation_level=None)
        try:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_BYTES}")
            _prepare(connection)
            connection.execute(QUERIES["release_all"], {"now": time.time()})
            self.catalog = _read_catalog(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _transact(self, work: Work[T], renew: bool) -> T:
        connection = self._connection
        if connection is None:
            raise UnavailableError("The embedded Pub/Sub is not started; start it first.")
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(connection, self.catalog)
                connection.execute("COMMIT")
            except BaseException:
                # A full disk may have rolled back by itself.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            if renew:
                self.catalog = _read_catalog(connection)
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                raise StorageFullError(f"The disk that holds {self._path.name} is full; free some space.") from error
            raise UnavailableError(f"The queue {self._path.name} cannot be used now: {error}.") from error
        return result


def _prepare(connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == SCHEMA_VERSION:
        return
    if version != 0:
        raise sqlite3.DatabaseError(f"it has schema {version}, this program knows {SCHEMA_VERSION}")
    connection.executescript(f"BEGIN; {SCHEMA}")
    connection.execute(QUERIES["seed_message_ids"], {"first": int(time.time() * 1e6)})
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def _read_catalog(connection: sqlite3.Connection) -> Catalog:
    topics = [
        make_topic(number, name, types.Topic.pb().FromString(config))
        for number, name, config in connection.execute(QUERIES["topics"])
    ]
    subscriptions = [
        make_subscription(number, name, topic_id, types.Subscription.pb().FromString(config))
        for number, name, topic_id, config in connection.execute(QUERIES["subscriptions"])
    ]
    return Catalog.of(topics, subscriptions)
