"""The documents behind an event loop: one thread does all that blocks, in the order in which it was asked."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sonicgen.local.firestore.faults import FaultError, aborted, invalid, storage_fault
from sonicgen.local.firestore.messages import Message
from sonicgen.local.firestore.queries import run_query
from sonicgen.local.firestore.storage import Reader, Store
from sonicgen.local.firestore.transactions import Transaction, Transactions
from sonicgen.local.firestore.writes import apply_write, written_name

_T = TypeVar("_T")


class Engine:
    """Reads, commits and transactions over one file. Open it with `open`, end it with `close`."""

    def __init__(self, store: Store, thread: ThreadPoolExecutor) -> None:
        self._store = store
        self._thread = thread
        self._transactions = Transactions()

    @classmethod
    async def open(cls, database: Path) -> Engine:
        """Open the file, making it when it does not exist."""
        thread = ThreadPoolExecutor(1, thread_name_prefix="firestore")
        try:
            store = await asyncio.get_running_loop().run_in_executor(thread, Store, database)
        except BaseException:
            thread.shutdown()
            raise
        return cls(store, thread)

    async def close(self) -> None:
        """Forget open transactions and close the file."""
        for transaction in self._transactions.take_all():
            await self._discard(transaction)
        await self._call(self._store.close)
        self._thread.shutdown()

    async def _call(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def begin(self, options: Message) -> Transaction:
        """Open a transaction as the options say; one that retries another waits for its turn in the lane."""
        for expired in self._transactions.take_expired():
            await self._discard(expired)
        if options.HasField("read_only"):
            if options.read_only.HasField("read_time"):
                raise invalid("The local Firestore keeps no past versions: leave out read_time.")
            return self._transactions.begin(await self._call(self._store.snapshot))
        transaction = self._transactions.begin()
        if options.read_write.retry_transaction:
            await self._transactions.queue(transaction)
        return transaction

    async def rollback(self, token: bytes) -> None:
        """Forget a transaction; one that is gone already is no error."""
        transaction = self._transactions.take(token)
        if transaction is not None:
            await self._discard(transaction)

    async def _discard(self, transaction: Transaction) -> None:
        self._transactions.end_turn(transaction)
        if transaction.snapshot is not None:
            await self._call(transaction.snapshot.close)

    def find(self, token: bytes) -> Transaction | None:
        """Return the open transaction of a request, None when the request names none."""
        return self._transactions.find(token) if token else None

    async def read(self, work: Callable[[Reader], _T], transaction: Transaction | None = None) -> tuple[_T, int]:
        """Run a read in the engine's thread; return its result and the time at which it holds, in microseconds."""
        snapshot = transaction.snapshot if transaction is not None else None

        def reading() -> tuple[_T, int]:
            if snapshot is not None:
                return work(snapshot), snapshot.last_time()
            return work(self._store), self._store.now()

        return await self._call(reading)

    async def read_documents(
        self, names: Sequence[str], transaction: Transaction | None = None
    ) -> tuple[list[Message | None], int]:
        """Return the documents of these names, None for each that is missing, and the time of the read."""
        if transaction is not None:
            if transaction.snapshot is None and self._transactions.are_contended(names):
                await self._transactions.queue(transaction)
            # Said before the read happens: from here on, other commits to these documents let a lane holder go first.
            transaction.reading.update(names)
        documents, read_time = await self.read(lambda reader: [reader.get(name) for name in names], transaction)
        if transaction is not None:
            for name, document in zip(names, documents, strict=True):
                transaction.record(name, None if document is None else document.update_time.ToMicroseconds())
        return documents, read_time

    async def read_query(
        self, parent: str, query: Message, transaction: Transaction | None = None
    ) -> tuple[list[Message], int]:
        """Return the documents that a query selects and the time of the read."""
        documents, read_time = await self.read(lambda reader: run_query(reader, parent, query), transaction)
        if transaction is not None:
            transaction.queries.append((parent, query, _versions(documents)))
            transaction.reading.update(document.name for document in documents)
        return documents, read_time

    async def commit(self, writes: Sequence[Message], token: bytes = b"") -> tuple[list[Message], int]:
        """Apply all writes or none; return their results and the time of the commit.

        Raises FaultError: ABORTED when the transaction read something that has changed, and what `apply_write` raises.
        """
        transaction = self._transactions.take(token) if token else None
        if token and transaction is None:
            # After a restart of the server: ABORTED makes the client begin again.
            raise aborted("The transaction is not known any more; begin it again.")
        try:
            if transaction is not None and transaction.snapshot is not None and writes:
                raise invalid("A read-only transaction cannot write.")
            await self._transactions.wait_for_lane(map(written_name, writes), transaction)
            return await self._call(lambda: self._commit(writes, transaction))
        except FaultError as fault:
            if fault.contended is not None:
                self._transactions.contend(fault.contended)
            raise
        finally:
            if transaction is not None:
                await self._discard(transaction)

    def _commit(self, writes: Sequence[Message], transaction: Transaction | None) -> tuple[list[Message], int]:
        if not writes:
            # Nothing to make last. What a transaction has read was consistent if it still holds.
            self._check_reads(transaction)
            return [], self._store.now()
        with self._store.transaction() as commit_time:
            self._check_reads(transaction)
            return [apply_write(self._store, write, commit_time) for write in writes], commit_time

    def _check_reads(self, transaction: Transaction | None) -> None:
        if transaction is None or transaction.snapshot is not None:
            return
        for name, version in transaction.versions.items():
            document = self._store.get(name)
            if version != (None if document is None else document.update_time.ToMicroseconds()):
                raise aborted(f"Too much contention on these documents; {name} was changed by another commit.", name)
        for parent, query, versions in transaction.queries:
            if _versions(run_query(self._store, parent, query)) != versions:
                raise aborted("The result of a query in this transaction was changed by another commit.")

    async def write_each(self, writes: Sequence[Message]) -> list[Message | FaultError]:
        """Apply each write on its own; return for each its result or why it was refused."""
        names = [written_name(write) for write in writes]
        if len(set(names)) != len(names):
            raise invalid("A batch may write each document once.")
        await self._transactions.wait_for_lane(names, None)
        return await self._call(lambda: self._write_each(writes))

    def _write_each(self, writes: Sequence[Message]) -> list[Message | FaultError]:
        results: list[Message | FaultError] = []
        with self._store.transaction() as commit_time:
            for write in writes:
                try:
                    with self._store.savepoint():
                        results.append(apply_write(self._store, write, commit_time))
                except FaultError as fault:
                    results.append(fault)
        return results


def _versions(documents: Sequence[Message]) -> list[tuple[str, int]]:
    return [(document.name, document.update_time.ToMicroseconds()) for document in documents]


def explain(error: Exception) -> FaultError | None:
    """Return the fault that answers a call which raised this error, None for an error nobody foresaw."""
    if isinstance(error, FaultError):
        return error
    return storage_fault(error) if isinstance(error, sqlite3.Error) else None
