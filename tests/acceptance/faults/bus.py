"""The bus of a world: pulled past every proxy, its messages turned into the pushes that the cloud would make."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import grpc
from google.api_core.exceptions import AlreadyExists
from google.pubsub_v1 import PublisherClient, PullRequest, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from tests.acceptance.faults.functions import FUNCTIONS
from tests.cloud_fixture import PROJECT


@dataclass(eq=False)
class Pending:
    """A message that has come and is not acknowledged."""

    topic: str
    function: str
    headers: dict[str, str]
    body: bytes
    deliveries: int = 0
    not_before: float = 0.0


class Bus:
    """Pulls what is published, directly from the server, past every proxy."""

    def __init__(self, address: str, name: str) -> None:
        self._channel = grpc.insecure_channel(address)
        self._subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=self._channel))
        publisher = PublisherClient(transport=PublisherGrpcTransport(channel=self._channel))
        self._paths: dict[str, str] = {}
        for topic in FUNCTIONS:
            with suppress(AlreadyExists):
                publisher.create_topic(name=publisher.topic_path(PROJECT, topic))
            self._paths[topic] = self._subscriber.subscription_path(PROJECT, f"world-{name}-{topic}")
            self._subscriber.create_subscription(
                name=self._paths[topic], topic=publisher.topic_path(PROJECT, topic), ack_deadline_seconds=600
            )

    def take(self) -> list[Pending]:
        """Return what has come."""
        found = []
        for topic, path in self._paths.items():
            # Without the client's wrapper, which warns of the very flag that a test needs.
            request = PullRequest(subscription=path, max_messages=200, return_immediately=True)
            received = self._subscriber.transport.pull(request, timeout=20).received_messages
            if received:
                self._subscriber.acknowledge(subscription=path, ack_ids=[each.ack_id for each in received])
            for each in received:
                headers, body = push_of(topic, each.message)
                found += [Pending(topic, function, headers, body) for function in FUNCTIONS[topic]]
        return found

    def close(self) -> None:
        """Forget the subscriptions."""
        for path in self._paths.values():
            self._subscriber.delete_subscription(subscription=path)
        self._channel.close()


def push_of(topic: str, message: Any) -> tuple[dict[str, str], bytes]:
    """Return headers and body of the push that tells of a message, as its topic is subscribed to in the cloud."""
    attributes = dict(message.attributes)
    if topic != "media-objects":
        return {**attributes, "content-type": "application/json"}, bytes(message.data)
    wrapped = {
        "data": base64.b64encode(message.data).decode(),
        "attributes": attributes,
        "messageId": message.message_id,
        "publishTime": datetime.now(UTC).isoformat(),
    }
    body = {"message": wrapped, "subscription": f"projects/{PROJECT}/subscriptions/fingerprint-match"}
    return {"content-type": "application/json"}, json.dumps(body).encode()
