"""One streaming pull: messages flow as long as the client's limit of unsettled messages allows."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

from sonicgen.errors import InputError
from sonicgen.local.pubsub.broker import Broker
from sonicgen.local.pubsub.configs import ACK_DEADLINE_SECONDS
from sonicgen.local.pubsub.records import Delivery, Handle, Subscription

# Messages leased in one step. Larger answers gain nothing: measured 10 and 1,000 messages within noise beyond 100.
_BATCH = 200

# Unsettled messages on a stream whose client names no limit, so that a large backlog is not leased as a whole.
_DEFAULT_OUTSTANDING = 1000


class PullStream:
    """The state of one stream: the leases it has given that are not settled, and the client's limits."""

    def __init__(self, broker: Broker, subscription: Subscription, first: Any) -> None:
        low, high = ACK_DEADLINE_SECONDS
        if not low <= first.stream_ack_deadline_seconds <= high:
            raise InputError(f"stream_ack_deadline_seconds must be {low} to {high} seconds.")
        self._broker = broker
        self._subscription = subscription
        self._lease_seconds = first.stream_ack_deadline_seconds
        self._max_messages = first.max_outstanding_messages if first.max_outstanding_messages > 0 else 0
        self._max_bytes = first.max_outstanding_bytes if first.max_outstanding_bytes > 0 else 0
        self._outstanding: dict[Handle, int] = {}
        self._outstanding_bytes = 0
        self._room = asyncio.Event()

    async def run(self, requests: AsyncIterator[Any]) -> AsyncIterator[list[Delivery]]:
        """Yield deliveries until the client ends its side of the stream."""
        with self._broker.settlements(self._subscription, self._settle):
            reader = asyncio.create_task(self._read(requests))
            feeder = None
            try:
                while True:
                    feeder = asyncio.create_task(self._next())
                    await asyncio.wait({feeder, reader}, return_when=asyncio.FIRST_COMPLETED)
                    if not feeder.done():
                        reader.result()
                        return
                    deliveries, feeder = feeder.result(), None
                    yield deliveries
            finally:
                await self._wind_up(reader, feeder)

    async def _wind_up(self, reader: asyncio.Task[None], feeder: asyncio.Task[list[Delivery]] | None) -> None:
        reader.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await reader
        if feeder is not None:
            feeder.cancel()
            # Leased in the very moment in which the stream ended: nobody has seen them.
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self._broker.release([each.handle for each in await feeder])

    async def _next(self) -> list[Delivery]:
        while (limit := self._free()) <= 0:
            self._room.clear()
            await self._room.wait()
        deliveries = await self._broker.next_batch(self._subscription.name, limit, self._lease_seconds)
        for delivery in deliveries:
            self._outstanding[delivery.handle] = len(delivery.data)
            self._outstanding_bytes += len(delivery.data)
        return deliveries

    async def _read(self, requests: AsyncIterator[Any]) -> None:
        async for request in requests:
            if request.ack_ids:
                await self._broker.acknowledge([Handle.parse(text, self._subscription) for text in request.ack_ids])
            pairs = zip(request.modify_deadline_ack_ids, request.modify_deadline_seconds, strict=False)
            for ack_id, seconds in pairs:
                handle = Handle.parse(ack_id, self._subscription)
                if seconds == 0:
                    await self._broker.fail([handle])
                else:
                    await self._broker.extend([handle], seconds)

    def _free(self) -> int:
        if self._max_bytes and self._outstanding_bytes >= self._max_bytes:
            return 0
        return min(_BATCH, (self._max_messages or _DEFAULT_OUTSTANDING) - len(self._outstanding))

    def _settle(self, handles: Sequence[Handle]) -> None:
        for handle in handles:
            self._outstanding_bytes -= self._outstanding.pop(handle, 0)
        self._room.set()
