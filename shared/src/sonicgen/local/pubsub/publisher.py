"""The gRPC service google.pubsub.v1.Publisher: topics and publishing."""

from __future__ import annotations

import sqlite3
from typing import Any

import grpc
from google.pubsub_v1 import types

from sonicgen.errors import InputError
from sonicgen.local.pubsub import configs, upkeep
from sonicgen.local.pubsub.broker import Broker
from sonicgen.local.pubsub.faults import AlreadyExistsError
from sonicgen.local.pubsub.names import check_topic
from sonicgen.local.pubsub.queries import QUERIES
from sonicgen.local.pubsub.records import Catalog
from sonicgen.local.pubsub.rpc import unary

SERVICE = "google.pubsub.v1.Publisher"

# Names in one page of a list when the caller does not say.
_PAGE_SIZE = 100


def page(names: list[str], size: int, token: str) -> tuple[list[str], str]:
    """Return the sorted names after `token`, `size` at most, and the token of the next page (empty: no more)."""
    rest = sorted(name for name in names if name > token)
    chosen = rest[: size if size > 0 else _PAGE_SIZE]
    return chosen, chosen[-1] if len(chosen) < len(rest) else ""


class Publisher:
    """The methods of the service; each takes and returns the service's protobuf messages."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the handlers by name; calls that are not among them answer UNIMPLEMENTED."""
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "CreateTopic": unary(self.create_topic, types.Topic),
                "GetTopic": unary(self.get_topic, types.GetTopicRequest),
                "UpdateTopic": unary(self.update_topic, types.UpdateTopicRequest),
                "ListTopics": unary(self.list_topics, types.ListTopicsRequest),
                "DeleteTopic": unary(self.delete_topic, types.DeleteTopicRequest),
                "ListTopicSubscriptions": unary(self.list_topic_subscriptions, types.ListTopicSubscriptionsRequest),
                "Publish": unary(self.publish, types.PublishRequest),
            },
        )

    async def create_topic(self, request: Any) -> Any:
        check_topic(request.name)
        configs.complete_topic(request)

        def work(connection: sqlite3.Connection, catalog: Catalog) -> None:
            if request.name in catalog.topics:
                raise AlreadyExistsError(f"The topic {request.name} exists already.")
            row = {"name": request.name, "config": request.SerializeToString()}
            connection.execute(QUERIES["insert_topic"], row)

        await self._broker.change(work)
        return request

    async def get_topic(self, request: Any) -> Any:
        return self._broker.catalog.topic(check_topic(request.topic)).config

    async def update_topic(self, request: Any) -> Any:
        name = check_topic(request.topic.name)
        merged = []

        def work(connection: sqlite3.Connection, catalog: Catalog) -> None:
            config = configs.merge_topic(catalog.topic(name).config, request.topic, request.update_mask)
            configs.complete_topic(config)
            connection.execute(QUERIES["update_topic"], {"name": name, "config": config.SerializeToString()})
            merged.append(config)

        await self._broker.change(work)
        return merged[0]

    async def list_topics(self, request: Any) -> Any:
        topics = self._broker.catalog.topics
        mine = [name for name in topics if name.startswith(f"{request.project}/topics/")]
        names, token = page(mine, request.page_size, request.page_token)
        return types.ListTopicsResponse.pb()(topics=[topics[name].config for name in names], next_page_token=token)

    async def delete_topic(self, request: Any) -> None:
        name = check_topic(request.topic)
        await self._broker.change(lambda connection, catalog: upkeep.remove_topic(connection, catalog, name))

    async def list_topic_subscriptions(self, request: Any) -> Any:
        catalog = self._broker.catalog
        topic = catalog.topic(check_topic(request.topic))
        mine = [subscription.name for subscription in catalog.by_topic.get(topic.id, ())]
        names, token = page(mine, request.page_size, request.page_token)
        return types.ListTopicSubscriptionsResponse.pb()(subscriptions=names, next_page_token=token)

    async def publish(self, request: Any) -> Any:
        check_topic(request.topic)
        if not 0 < len(request.messages) <= configs.MAX_PUBLISHED_AT_ONCE:
            raise InputError(f"Publish 1 to {configs.MAX_PUBLISHED_AT_ONCE} messages at a time.")
        messages = [configs.read_message(message) for message in request.messages]
        ids = await self._broker.publish(request.topic, messages)
        return types.PublishResponse.pb()(message_ids=[str(number) for number in ids])
