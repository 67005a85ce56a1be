"""The embedded cloud's Pub/Sub as one object to start and stop."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import grpc

from sonicgen.errors import LocalError
from sonicgen.local.pubsub.broker import Broker
from sonicgen.local.pubsub.names import check_topic
from sonicgen.local.pubsub.publisher import Publisher
from sonicgen.local.pubsub.push import PushPool
from sonicgen.local.pubsub.records import NewMessage, SubscriptionStatistics
from sonicgen.local.pubsub.storage import Storage
from sonicgen.local.pubsub.subscriber import Subscriber

# A publish request holds up to 10 MB of data; attributes and framing come on top.
_MAX_REQUEST_BYTES = 20 * 1024 * 1024


class PubsubServer:
    """Pub/Sub for the real clients (PUBSUB_EMULATOR_HOST), with its whole state in the file `database`.

    It shares the event loop of its caller and never blocks it. A message that was published is there after the process
    was killed, one that was acknowledged does not come back, and what was being delivered comes again.
    """

    def __init__(self, database: Path, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._storage = Storage(database)
        self._broker = Broker(self._storage)
        self._pushes = PushPool(self._broker)
        self._address = host, port
        self._grpc: grpc.aio.Server | None = None
        self._upkeep: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """Open the queue, listen and begin pushing; return the port. Raises LocalError when one of them fails."""
        await self._storage.open()
        try:
            port = await self._listen()
        except BaseException:
            await self._storage.close()
            raise
        self._broker.on_catalog_change(self._pushes.follow)
        self._pushes.follow(self._broker.catalog)
        self._upkeep = asyncio.create_task(self._broker.keep_up(), name="pubsub upkeep")
        return port

    async def stop(self) -> None:
        """Stop listening and pushing and close the file; pushes that are under way are given up and come again."""
        if self._grpc is not None:
            await self._grpc.stop(grace=None)
            self._grpc = None
        await self._pushes.stop()
        if self._upkeep is not None:
            self._upkeep.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._upkeep
            self._upkeep = None
        await self._storage.close()

    async def publish_local(self, topic_path: str, data: bytes, attributes: dict[str, str]) -> str:
        """Publish from within this process and return the message's id; NotFoundError when the topic is missing."""
        (number,) = await self._broker.publish(check_topic(topic_path), [NewMessage(data, attributes)])
        return str(number)

    async def statistics(self) -> list[SubscriptionStatistics]:
        """Return for each subscription what waits, what is in flight and how old the oldest message is."""
        return await self._broker.statistics()

    async def _listen(self) -> int:
        host, port = self._address
        # so_reuseport off: a second server on the same port must fail instead of taking half of the calls.
        options = [("grpc.max_receive_message_length", _MAX_REQUEST_BYTES), ("grpc.so_reuseport", 0)]
        server = grpc.aio.server(options=options)
        server.add_generic_rpc_handlers((Publisher(self._broker).handler(), Subscriber(self._broker).handler()))
        try:
            bound = server.add_insecure_port(f"{host}:{port}")
        except RuntimeError as error:
            raise LocalError(f"Pub/Sub cannot listen on {host}:{port}; choose a free port.") from error
        await server.start()
        self._grpc = server
        return int(bound)
