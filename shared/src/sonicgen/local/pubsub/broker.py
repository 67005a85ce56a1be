"""The queue for its users on the event loop: gRPC handlers, push workers and the process itself.

It adds waiting to the storage: who finds nothing sleeps until a message is published, comes due or is freed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from sonicgen.errors import SonicGenError
from sonicgen.local.pubsub import queue, upkeep
from sonicgen.local.pubsub.records import (
    Catalog,
    Delivery,
    Handle,
    NewMessage,
    Subscription,
    SubscriptionStatistics,
)
from sonicgen.local.pubsub.storage import Storage, Work

logger = logging.getLogger(__name__)

# How often leases are looked through for those that ran out. The shortest deadline is 10 s, so half a second is exact
# enough; the look is one step in an index.
_SWEEP_SECONDS = 0.5

# How often retention is applied; it is counted in days.
_PRUNE_SECONDS = 60.0

# Data in one answer to a pull: with PUBSUB_EMULATOR_HOST the real client takes answers up to gRPC's default of 4 MiB.
MAX_BATCH_BYTES = 3_000_000

SettledListener = Callable[[Sequence[Handle]], None]


class Broker:
    """All that can be done with the queue; every method may be called at any time by many tasks."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._bells: dict[int, asyncio.Event] = {}
        self._settled: dict[int, set[SettledListener]] = defaultdict(set)
        self._catalog_changed: list[Callable[[Catalog], None]] = []

    @property
    def catalog(self) -> Catalog:
        """The topics and subscriptions as of the last change."""
        return self._storage.catalog

    def on_catalog_change(self, listener: Callable[[Catalog], None]) -> None:
        """Call `listener` after each change of topics or subscriptions."""
        self._catalog_changed.append(listener)

    async def change(self, work: Work[None]) -> None:
        """Change topics or subscriptions in a transaction and let everybody look again."""
        await self._storage.change(work)
        for listener in self._catalog_changed:
            listener(self.catalog)
        self._ring(list(self._bells))

    async def publish(self, topic: str, messages: Sequence[NewMessage]) -> list[int]:
        """Store messages durably and return their ids; raises NotFoundError when the topic does not exist."""
        ids, touched = await self._storage.run(
            lambda connection, catalog: queue.publish(connection, catalog, catalog.topic(topic), messages, time.time())
        )
        self._ring(touched)
        return ids

    async def take(self, name: str, limit: int, lease_seconds: float | None = None) -> queue.Batch:
        """Lease ready messages without waiting; leases are given back when the caller is cancelled meanwhile."""
        work = asyncio.ensure_future(
            self._storage.run(lambda connection, catalog: _take(connection, catalog, name, limit, lease_seconds))
        )
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            with contextlib.suppress(SonicGenError):
                await self.release([each.handle for each in (await work).deliveries])
            raise

    async def next_batch(self, name: str, limit: int, lease_seconds: float | None = None) -> list[Delivery]:
        """Lease ready messages, waiting until there is at least one; NotFoundError when the subscription goes."""
        while True:
            # Taken before looking: a message that comes after the look has rung it.
            bell = self._bells.setdefault(self.catalog.subscription(name).id, asyncio.Event())
            batch = await self.take(name, limit, lease_seconds)
            if batch.deliveries:
                return batch.deliveries
            wait = None if batch.next_at is None else max(0.0, batch.next_at - time.time())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(bell.wait(), wait)

    async def acknowledge(self, handles: Sequence[Handle]) -> None:
        """Remove messages from their subscription for good."""
        self._ring(await self._storage.run(lambda connection, _: queue.acknowledge(connection, handles, time.time())))
        self._tell_settled(handles)

    async def extend(self, handles: Sequence[Handle], seconds: float) -> None:
        """Let leases run for that long from now."""
        until = time.time() + seconds
        await self._storage.run(lambda connection, _: queue.extend(connection, [(each, until) for each in handles]))

    async def fail(self, handles: Sequence[Handle]) -> None:
        """End leases without success: backoff, then again, or the dead letters."""
        self._ring(await self._storage.run(lambda connection, c: queue.fail(connection, c, handles, time.time())))
        self._tell_settled(handles)

    async def release(self, handles: Sequence[Handle], delay_seconds: float = 0.0) -> None:
        """Take leases back without counting them as attempts."""
        if not handles:
            return
        at = time.time() + delay_seconds
        self._ring(await self._storage.run(lambda connection, _: queue.release(connection, handles, at)))
        self._tell_settled(handles)

    async def seek(self, name: str, at: float) -> None:
        """Make all before the time `at` acknowledged and what is kept from then on owed again."""
        await self._storage.run(lambda connection, c: upkeep.seek(connection, c, c.subscription(name), at, time.time()))
        self._ring([self.catalog.subscription(name).id])

    async def statistics(self) -> list[SubscriptionStatistics]:
        """Return the figures of every subscription."""
        return await self._storage.run(lambda connection, catalog: upkeep.count(connection, catalog, time.time()))

    @contextlib.contextmanager
    def settlements(self, subscription: Subscription, listener: SettledListener) -> Iterator[None]:
        """Within the block, call `listener` with the handles whose leases ended, however they did."""
        self._settled[subscription.id].add(listener)
        try:
            yield
        finally:
            self._settled[subscription.id].discard(listener)

    async def keep_up(self) -> None:
        """Run for ever: fail leases that ran out, apply retention. A fault of the disk ends a round, not the work."""
        prune_at = 0.0
        while True:
            try:
                while overdue := await self._storage.run(lambda connection, _: queue.overdue(connection, time.time())):
                    await self.fail(overdue)
                if time.monotonic() >= prune_at:
                    prune_at = time.monotonic() + _PRUNE_SECONDS
                    await self._storage.run(lambda connection, c: upkeep.prune(connection, c, time.time()))
            except SonicGenError as error:
                logger.warning("Pub/Sub upkeep failed and is tried again: %s", error)
            await asyncio.sleep(_SWEEP_SECONDS)

    def _ring(self, subscriptions: Iterable[int]) -> None:
        for number in subscriptions:
            bell = self._bells.pop(number, None)
            if bell is not None:
                bell.set()

    def _tell_settled(self, handles: Sequence[Handle]) -> None:
        by_subscription: dict[int, list[Handle]] = defaultdict(list)
        for handle in handles:
            by_subscription[handle.subscription_id].append(handle)
        for number, ended in by_subscription.items():
            for listener in tuple(self._settled.get(number, ())):
                listener(ended)


def _take(
    connection: sqlite3.Connection, catalog: Catalog, name: str, limit: int, lease_seconds: float | None
) -> queue.Batch:
    subscription = catalog.subscription(name)
    return queue.take(
        connection,
        subscription,
        limit=limit,
        max_bytes=MAX_BATCH_BYTES,
        lease_seconds=lease_seconds or subscription.ack_deadline_seconds,
        now=time.time(),
    )
