"""Open transactions: what each has read, and a lane for those that meet.

Reading and writing transactions are optimistic: a commit is refused when something that was read has changed. Many
clients that change one document would so refuse each other again and again, and the client gives up after five times.
Therefore a document over which a commit was refused is contended for a while: transactions that read it take turns, and
while one has the turn, commits that would change what it reads wait for it. So does one that says it retries another,
but that alone would not do: threads that share one decorated function lose the id of what they retry (seen with the
client 2.34.1). All waits are bounded, so a client that dies or dawdles in its turn costs the others moments.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from sonicgen.local.firestore.faults import invalid
from sonicgen.local.firestore.messages import Message
from sonicgen.local.firestore.storage import Reader

# https://firebase.google.com/docs/firestore/quotas#writes_and_transactions: 270 s in all, 60 s idle
_IDLE_SECONDS = 60.0
_LIFE_SECONDS = 270.0
_TURN_SECONDS = 2.0  # a transaction of the client takes under 10 ms here; this is for those that compute meanwhile
_QUEUE_SECONDS = 10.0
_CONTENDED_SECONDS = 1.0  # after the last refusal; longer than the client takes to begin again


@dataclass(eq=False)
class Transaction:
    """One open transaction; `snapshot` is set for a read-only one."""

    token: bytes
    begun_at: float
    used_at: float
    snapshot: Reader | None
    versions: dict[str, int | None] = field(default_factory=dict)
    # Each query with the names and versions it gave: running it again shows documents that joined or left.
    queries: list[tuple[str, Message, list[tuple[str, int]]]] = field(default_factory=list)
    reading: set[str] = field(default_factory=set)
    finished: asyncio.Event = field(default_factory=asyncio.Event)

    def record(self, name: str, version: int | None) -> None:
        """Remember which version of a document was read, None when it was missing. The first reading counts."""
        self.versions.setdefault(name, version)
        self.reading.add(name)


class Transactions:
    """The open transactions of one server; lives on its event loop."""

    def __init__(self) -> None:
        self._open: dict[bytes, Transaction] = {}
        self._turn = asyncio.Lock()
        self._in_turn: Transaction | None = None
        self._turn_ends: asyncio.TimerHandle | None = None
        self._contended: dict[str, float] = {}

    def begin(self, snapshot: Reader | None = None) -> Transaction:
        """Open a transaction."""
        now = asyncio.get_running_loop().time()
        transaction = Transaction(secrets.token_bytes(16), now, now, snapshot)
        self._open[transaction.token] = transaction
        return transaction

    def find(self, token: bytes) -> Transaction:
        """Return an open transaction; raise FaultError (INVALID_ARGUMENT) when there is none."""
        transaction = self._open.get(token)
        if transaction is None:
            raise invalid("The referenced transaction has expired or is no longer valid.")
        transaction.used_at = asyncio.get_running_loop().time()
        return transaction

    def take(self, token: bytes) -> Transaction | None:
        """Remove and return a transaction that is to be committed or rolled back, None when there is none."""
        return self._open.pop(token, None)

    def take_expired(self) -> list[Transaction]:
        """Remove and return the transactions whose time is over."""
        now = asyncio.get_running_loop().time()
        expired = [
            t for t in self._open.values() if now - t.used_at > _IDLE_SECONDS or now - t.begun_at > _LIFE_SECONDS
        ]
        for transaction in expired:
            del self._open[transaction.token]
        return expired

    def take_all(self) -> list[Transaction]:
        """Remove and return every transaction."""
        everything = list(self._open.values())
        self._open.clear()
        return everything

    def contend(self, name: str) -> None:
        """Let those who read this document take turns for a while."""
        now = asyncio.get_running_loop().time()
        self._contended = {other: until for other, until in self._contended.items() if until > now}
        self._contended[name] = now + _CONTENDED_SECONDS

    def are_contended(self, names: Iterable[str]) -> bool:
        """Say whether transactions take turns over any of these documents."""
        now = asyncio.get_running_loop().time()
        return any(self._contended.get(name, 0.0) > now for name in names)

    async def queue(self, transaction: Transaction) -> None:
        """Wait for the turn in the lane; after a bounded time, go on without."""
        if self._in_turn is transaction:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_QUEUE_SECONDS):
                await self._turn.acquire()
            self._in_turn = transaction
            self._turn_ends = asyncio.get_running_loop().call_later(_TURN_SECONDS, self.end_turn, transaction)

    def end_turn(self, transaction: Transaction) -> None:
        """Pass the lane on, if this transaction has the turn."""
        transaction.finished.set()
        if self._in_turn is transaction:
            self._in_turn = None
            if self._turn_ends is not None:
                self._turn_ends.cancel()
            self._turn.release()

    async def wait_for_lane(self, names: Iterable[str], committing: Transaction | None) -> None:
        """Before a commit that changes these documents: let the transaction that has the turn finish first."""
        names = set(names)
        while (ahead := self._in_turn) is not None and ahead is not committing and names & ahead.reading:
            await ahead.finished.wait()
