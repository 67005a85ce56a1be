"""The gRPC service google.pubsub.v1.Subscriber: subscriptions, pulling, acknowledging and seeking."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc
from google.pubsub_v1 import types

from sonicgen.errors import InputError
from sonicgen.local.pubsub import configs, upkeep
from sonicgen.local.pubsub.broker import Broker
from sonicgen.local.pubsub.faults import AlreadyExistsError, WrongKindError
from sonicgen.local.pubsub.names import check_subscription, check_topic
from sonicgen.local.pubsub.publisher import page
from sonicgen.local.pubsub.queries import QUERIES
from sonicgen.local.pubsub.records import Catalog, Delivery, Handle, Subscription
from sonicgen.local.pubsub.rpc import stream, unary
from sonicgen.local.pubsub.stream import PullStream

SERVICE = "google.pubsub.v1.Subscriber"

# How long a pull waits for a first message before it answers with none. The real service holds it about as long as the
# client's own deadline; a few seconds spare a client that polls.
_PULL_WAIT_SECONDS = 5.0

# Messages in one answer to a pull, whatever the caller asks for; the real service's own limit.
_MAX_PULLED = 1000


class Subscriber:
    """The methods of the service; each takes and returns the service's protobuf messages."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the handlers by name; calls that are not among them answer UNIMPLEMENTED."""
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "CreateSubscription": unary(self.create_subscription, types.Subscription),
                "GetSubscription": unary(self.get_subscription, types.GetSubscriptionRequest),
                "UpdateSubscription": unary(self.update_subscription, types.UpdateSubscriptionRequest),
                "ListSubscriptions": unary(self.list_subscriptions, types.ListSubscriptionsRequest),
                "DeleteSubscription": unary(self.delete_subscription, types.DeleteSubscriptionRequest),
                "ModifyPushConfig": unary(self.modify_push_config, types.ModifyPushConfigRequest),
                "Pull": unary(self.pull, types.PullRequest),
                "StreamingPull": stream(self.streaming_pull, types.StreamingPullRequest),
                "Acknowledge": unary(self.acknowledge, types.AcknowledgeRequest),
                "ModifyAckDeadline": unary(self.modify_ack_deadline, types.ModifyAckDeadlineRequest),
                "Seek": unary(self.seek, types.SeekRequest),
            },
        )

    async def create_subscription(self, request: Any) -> Any:
        check_subscription(request.name)
        check_topic(request.topic)
        configs.complete_subscription(request)

        def work(connection: sqlite3.Connection, catalog: Catalog) -> None:
            topic = catalog.topic(request.topic)
            if request.name in catalog.subscriptions:
                raise AlreadyExistsError(f"The subscription {request.name} exists already.")
            row = {"name": request.name, "topic": topic.id, "config": request.SerializeToString()}
            connection.execute(QUERIES["insert_subscription"], row)

        await self._broker.change(work)
        return request

    async def get_subscription(self, request: Any) -> Any:
        return self._find(request.subscription).config

    async def update_subscription(self, request: Any) -> Any:
        return await self._update(request.subscription.name, request.subscription, request.update_mask)

    async def modify_push_config(self, request: Any) -> None:
        change = types.Subscription.pb()(push_config=request.push_config)
        mask = types.UpdateSubscriptionRequest.pb()(update_mask={"paths": ["push_config"]}).update_mask
        await self._update(request.subscription, change, mask)

    async def list_subscriptions(self, request: Any) -> Any:
        known = self._broker.catalog.subscriptions
        mine = [name for name in known if name.startswith(f"{request.project}/subscriptions/")]
        names, token = page(mine, request.page_size, request.page_token)
        configured = [known[name].config for name in names]
        return types.ListSubscriptionsResponse.pb()(subscriptions=configured, next_page_token=token)

    async def delete_subscription(self, request: Any) -> None:
        name = check_subscription(request.subscription)
        await self._broker.change(
            lambda connection, c: upkeep.remove_subscription(connection, c.subscription(name), time.time())
        )

    async def pull(self, request: Any) -> Any:
        subscription = self._find_pulled(request.subscription)
        if request.max_messages <= 0:
            raise InputError(f"max_messages is {request.max_messages}: ask for at least one message.")
        limit = min(request.max_messages, _MAX_PULLED)
        if request.return_immediately:
            deliveries = (await self._broker.take(subscription.name, limit)).deliveries
        else:
            try:
                async with asyncio.timeout(_PULL_WAIT_SECONDS):
                    deliveries = await self._broker.next_batch(subscription.name, limit)
            except TimeoutError:
                deliveries = []
        return types.PullResponse.pb()(received_messages=received(subscription, deliveries))

    async def streaming_pull(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        first = await anext(aiter(requests), None)
        if first is None:
            return
        subscription = self._find_pulled(first.subscription)
        properties = {"message_ordering_enabled": subscription.ordered}
        async for deliveries in PullStream(self._broker, subscription, first).run(requests):
            yield types.StreamingPullResponse.pb()(
                received_messages=received(subscription, deliveries), subscription_properties=properties
            )

    async def acknowledge(self, request: Any) -> None:
        await self._broker.acknowledge(self._handles(request.subscription, request.ack_ids))

    async def modify_ack_deadline(self, request: Any) -> None:
        handles = self._handles(request.subscription, request.ack_ids)
        seconds = request.ack_deadline_seconds
        if not 0 <= seconds <= configs.ACK_DEADLINE_SECONDS[1]:
            raise InputError(f"ack_deadline_seconds is {seconds}: use 0 to {configs.ACK_DEADLINE_SECONDS[1]} seconds.")
        if seconds == 0:
            await self._broker.fail(handles)
        else:
            await self._broker.extend(handles, seconds)

    async def seek(self, request: Any) -> Any:
        subscription = self._find(request.subscription)
        if request.WhichOneof("target") != "time":
            raise InputError("The embedded Pub/Sub has no snapshots; seek to a time.")
        await self._broker.seek(subscription.name, request.time.ToNanoseconds() / 1e9)
        return types.SeekResponse.pb()()

    async def _update(self, name: str, change: Any, mask: Any) -> Any:
        check_subscription(name)
        merged = []

        def work(connection: sqlite3.Connection, catalog: Catalog) -> None:
            subscription = catalog.subscription(name)
            config = configs.merge_subscription(subscription.config, change, mask)
            configs.complete_subscription(config)
            row = {"config": config.SerializeToString(), "subscription": subscription.id}
            connection.execute(QUERIES["update_subscription"], row)
            merged.append(config)

        await self._broker.change(work)
        return merged[0]

    def _find(self, name: str) -> Subscription:
        return self._broker.catalog.subscription(check_subscription(name))

    def _find_pulled(self, name: str) -> Subscription:
        subscription = self._find(name)
        if subscription.push_endpoint:
            raise WrongKindError(f"{name} pushes to {subscription.push_endpoint}; remove the push endpoint to pull.")
        return subscription

    def _handles(self, name: str, ack_ids: Iterable[str]) -> list[Handle]:
        subscription = self._find(name)
        return [Handle.parse(ack_id, subscription) for ack_id in ack_ids]


def received(subscription: Subscription, deliveries: Iterable[Delivery]) -> list[Any]:
    """Return deliveries as the service's ReceivedMessage; the attempt is told when there is a dead-letter policy."""
    answers = []
    for delivery in deliveries:
        answer = types.ReceivedMessage.pb()(ack_id=str(delivery.handle))
        if subscription.dead_letter_topic:
            answer.delivery_attempt = delivery.attempt
        answer.message.data = delivery.data
        answer.message.attributes.update(delivery.attributes)
        answer.message.message_id = str(delivery.message_id)
        answer.message.publish_time.FromMicroseconds(int(delivery.publish_time * 1e6))
        answer.message.ordering_key = delivery.ordering_key
        answers.append(answer)
    return answers
