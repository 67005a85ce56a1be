"""Push delivery: one worker for each subscription that has an endpoint.

As in the real service, an answer of 102, 200, 201, 202 or 204 acknowledges; any other, a broken connection and an
answer later than the acknowledge deadline are failures that count as an attempt and back off.

Three things differ on purpose:

- A subscription has few pushes in flight (2, or its label `max-in-flight`), because on one machine the endpoint is one
  process; the real service would start more instances.
- While no connection can be made, the worker pauses and attempts are not counted. The real service counts them; here a
  function that is just restarting would put its messages among the dead letters within seconds. An endpoint that takes
  the connection and dies does count, so that a message which kills its function ends among the dead letters.
- There is nobody here to sign an OIDC token, so a push carries none, whatever `oidc_token` says.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from sonicgen.errors import NotFoundError, SonicGenError
from sonicgen.local.pubsub.broker import Broker
from sonicgen.local.pubsub.envelope import make_request
from sonicgen.local.pubsub.post import BrokenAnswerError, EndpointDownError, post
from sonicgen.local.pubsub.records import Catalog, Delivery, Subscription

logger = logging.getLogger(__name__)

_ACKNOWLEDGING = frozenset({102, 200, 201, 202, 204})

# A lease outlives the push that it is for, so that the push's own end decides.
_LEASE_MARGIN_SECONDS = 5.0

# Pauses of a worker whose endpoint takes no connection: short, since a restart takes a second or two.
_FIRST_PAUSE_SECONDS = 0.1
_LAST_PAUSE_SECONDS = 2.0

# Pause after a fault of the queue's file.
_FAULT_PAUSE_SECONDS = 1.0


class PushPool:
    """Keeps one worker for each push subscription, following the catalog."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._workers: dict[int, tuple[Subscription, asyncio.Task[None]]] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def follow(self, catalog: Catalog) -> None:
        """Start, stop and restart workers so that they fit the catalog."""
        wanted = {each.id: each for each in catalog.subscriptions.values() if each.push_endpoint}
        for number, (subscription, task) in list(self._workers.items()):
            now = wanted.get(number)
            if now is None or now.config != subscription.config:
                del self._workers[number]
                task.cancel()
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)
        for number, subscription in wanted.items():
            if number not in self._workers:
                task = asyncio.create_task(_Worker(self._broker, subscription).run(), name=f"push {subscription.name}")
                self._workers[number] = subscription, task

    async def stop(self) -> None:
        """End all workers; what they were pushing is ready again, uncounted."""
        self.follow(Catalog())
        await asyncio.gather(*self._ending, return_exceptions=True)


class _Worker:
    def __init__(self, broker: Broker, subscription: Subscription) -> None:
        self._broker = broker
        self._subscription = subscription
        self._flights: set[asyncio.Task[None]] = set()
        self._pause_seconds = 0.0

    async def run(self) -> None:
        lease_seconds = self._subscription.ack_deadline_seconds + _LEASE_MARGIN_SECONDS
        try:
            while True:
                # With an endpoint that is down, one message at a time finds out when it is back.
                room = (1 if self._pause_seconds else self._subscription.max_in_flight) - len(self._flights)
                if room <= 0:
                    await asyncio.wait(self._flights, return_when=asyncio.FIRST_COMPLETED)
                    continue
                try:
                    deliveries = await self._broker.next_batch(self._subscription.name, room, lease_seconds)
                except NotFoundError:
                    return
                except SonicGenError as error:
                    logger.warning("Pushing from %s pauses: %s", self._subscription.name, error)
                    await asyncio.sleep(_FAULT_PAUSE_SECONDS)
                    continue
                for delivery in deliveries:
                    flight = asyncio.create_task(self._deliver(delivery))
                    self._flights.add(flight)
                    flight.add_done_callback(self._flights.discard)
        finally:
            flights = tuple(self._flights)
            for flight in flights:
                flight.cancel()
            await asyncio.gather(*flights, return_exceptions=True)

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            await self._push(delivery)
        except asyncio.CancelledError:
            with contextlib.suppress(SonicGenError):
                await self._broker.release([delivery.handle])
            raise
        except SonicGenError as error:
            logger.warning("The outcome of a push from %s was lost; it comes again: %s", self._subscription.name, error)

    async def _push(self, delivery: Delivery) -> None:
        headers, body = make_request(self._subscription, delivery)
        endpoint = self._subscription.push_endpoint
        try:
            async with asyncio.timeout(self._subscription.ack_deadline_seconds):
                status = await post(endpoint, headers, body)
            outcome = f"answered {status}"
        except EndpointDownError as error:
            await self._wait_for_endpoint(delivery, error)
            return
        except TimeoutError:
            status, outcome = 0, f"gave no answer within {self._subscription.ack_deadline_seconds} s"
        except BrokenAnswerError as error:
            status, outcome = 0, f"broke off ({error})"
        self._pause_seconds = 0.0
        if status in _ACKNOWLEDGING:
            await self._broker.acknowledge([delivery.handle])
            return
        logger.info("%s %s to attempt %d of %d.", endpoint, outcome, delivery.attempt, delivery.message_id)
        await self._broker.fail([delivery.handle])

    async def _wait_for_endpoint(self, delivery: Delivery, error: EndpointDownError) -> None:
        if not self._pause_seconds:
            logger.info("%s takes no connection; its messages wait: %s", self._subscription.push_endpoint, error)
        self._pause_seconds = min(_LAST_PAUSE_SECONDS, max(_FIRST_PAUSE_SECONDS, self._pause_seconds * 2))
        await asyncio.sleep(self._pause_seconds)
        await self._broker.release([delivery.handle])
