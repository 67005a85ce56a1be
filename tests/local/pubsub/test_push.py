"""Push delivery to a real HTTP endpoint."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .conftest import Cloud, Endpoint, Request

GRAVE = "projects/test/topics/grave"
SUBSCRIPTION = "projects/test/subscriptions/reader"
GRAVE_READER = "projects/test/subscriptions/grave-reader"
FAST_RETRY = {"minimum_backoff": timedelta(seconds=0), "maximum_backoff": timedelta(seconds=0)}


def test_wrapped_push(cloud: Cloud, endpoint: Endpoint, wait_until: Callable[..., None]) -> None:
    policy = {"dead_letter_topic": GRAVE}
    cloud.create(push_config={"push_endpoint": endpoint.url}, dead_letter_policy=policy, enable_message_ordering=True)
    (number,) = cloud.publish("hello", key="k", colour="blue")
    (request,) = endpoint.wait(1)
    assert request.path == "/push?from=test"
    assert request.headers["content-type"] == "application/json"
    envelope = json.loads(request.body)
    message = envelope.pop("message")
    assert envelope == {"subscription": SUBSCRIPTION, "deliveryAttempt": 1}
    assert message.pop("publishTime") == message.pop("publish_time")
    assert message == {
        "data": base64.b64encode(b"hello").decode(),
        "attributes": {"colour": "blue"},
        "messageId": number,
        "message_id": number,
        "orderingKey": "k",
    }
    wait_until(lambda: cloud.figures().in_flight + cloud.figures().queued == 0)


def test_unwrapped_push_with_metadata(cloud: Cloud, endpoint: Endpoint) -> None:
    cloud.create(push_config={"push_endpoint": endpoint.url, "no_wrapper": {"write_metadata": True}})
    attributes = {
        "Content-Type": "text/x-note",
        "ce-id": "42",
        "name": "Müsli\r\nX-Evil: 1",
        "Content-Length": "7",
        "not a header": "x",
    }
    (number,) = cloud.publish("raw", **attributes)
    (request,) = endpoint.wait(1)
    assert request.body == b"raw"
    assert request.headers["content-type"] == "text/x-note"
    assert request.headers["content-length"] == "3"
    assert request.headers["ce-id"] == "42"
    assert request.headers["name"] == "M%C3%BCsli%0D%0AX-Evil: 1"
    assert request.headers["x-goog-pubsub-message-id"] == number
    assert request.headers["x-goog-pubsub-subscription-name"] == SUBSCRIPTION
    assert request.headers["x-goog-pubsub-publish-time"].endswith("Z")
    assert "x-evil" not in request.headers
    assert "not a header" not in request.headers


def test_unwrapped_push_without_metadata(cloud: Cloud, endpoint: Endpoint) -> None:
    cloud.create(push_config={"push_endpoint": endpoint.url, "no_wrapper": {}})
    cloud.publish("raw", colour="blue")
    (request,) = endpoint.wait(1)
    assert request.body == b"raw"
    assert "colour" not in request.headers
    assert "x-goog-pubsub-message-id" not in request.headers


@pytest.mark.parametrize("status", [102, 200, 201, 202, 204])
def test_status_acknowledges(cloud: Cloud, endpoint: Endpoint, wait_until: Callable[..., None], status: int) -> None:
    endpoint.answer = lambda _: status
    cloud.create(push_config={"push_endpoint": endpoint.url})
    cloud.publish("a")
    endpoint.wait(1)
    wait_until(lambda: cloud.figures().in_flight + cloud.figures().queued == 0)
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("status", [0, 203, 302, 400, 500])
def test_failing_endpoint_leads_to_the_dead_letters(cloud: Cloud, endpoint: Endpoint, status: int) -> None:
    endpoint.answer = lambda _: status
    cloud.create(GRAVE_READER, GRAVE)
    cloud.create(
        push_config={"push_endpoint": endpoint.url},
        dead_letter_policy={"dead_letter_topic": GRAVE, "max_delivery_attempts": 5},
        retry_policy=FAST_RETRY,
    )
    cloud.publish("bad")
    (letter,) = cloud.pull(subscription=GRAVE_READER)
    assert letter.message.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"
    assert [json.loads(each.body)["deliveryAttempt"] for each in endpoint.requests] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(("labels", "bound"), [({}, 2), ({"max-in-flight": "1"}, 1), ({"max-in-flight": "4"}, 4)])
def test_pushes_in_flight_are_bounded(cloud: Cloud, endpoint: Endpoint, labels: dict[str, str], bound: int) -> None:
    lock = threading.Lock()
    now = most = 0

    def answer(_request: Request) -> int:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.02)
        with lock:
            now -= 1
        return 200

    endpoint.answer = answer
    cloud.create(push_config={"push_endpoint": endpoint.url}, labels=labels)
    cloud.publish(*[f"{n}" for n in range(20)])
    endpoint.wait(20)
    assert most == bound


def test_refused_connection_waits_without_counting(cloud: Cloud, wait_until: Callable[..., None]) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # bound, not listening: the port refuses and stays ours
        port = listener.getsockname()[1]
        cloud.create(
            push_config={"push_endpoint": f"http://127.0.0.1:{port}/"},
            dead_letter_policy={"dead_letter_topic": GRAVE, "max_delivery_attempts": 5},
            retry_policy=FAST_RETRY,
        )
        cloud.publish("patient")
        time.sleep(0.5)  # long enough for several refusals, which leave no trace to wait for
        listener.listen()
        listener.settimeout(10)
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(10)
            received = connection.recv(65536)
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert b'"deliveryAttempt": 1' in received
    wait_until(lambda: cloud.figures().in_flight + cloud.figures().queued == 0)


def test_changed_endpoint_is_used_at_once(cloud: Cloud, endpoint: Endpoint) -> None:
    cloud.create(push_config={"push_endpoint": "http://127.0.0.1:9/nobody"})
    cloud.publish("a")
    config: dict[str, Any] = {"push_endpoint": endpoint.url}
    cloud.subscriber.modify_push_config(subscription=SUBSCRIPTION, push_config=config)
    endpoint.wait(1)
