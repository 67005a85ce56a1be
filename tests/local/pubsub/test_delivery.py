"""Publishing, pulling and what becomes of messages that are not acknowledged."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient, types

from sonicgen.errors import NotFoundError

if TYPE_CHECKING:
    from .conftest import Cloud

TOPIC = "projects/test/topics/news"
GRAVE = "projects/test/topics/grave"
SUBSCRIPTION = "projects/test/subscriptions/reader"
GRAVE_READER = "projects/test/subscriptions/grave-reader"


def test_acknowledged_message_is_gone(cloud: Cloud) -> None:
    cloud.create()
    (number,) = cloud.publish("hello", colour="blue")
    (received,) = cloud.pull()
    assert received.message.data == b"hello"
    assert dict(received.message.attributes) == {"colour": "blue"}
    assert received.message.message_id == number
    assert abs(received.message.publish_time - datetime.now(UTC)) < timedelta(seconds=20)
    assert received.delivery_attempt == 0
    assert cloud.figures().in_flight == 1
    cloud.acknowledge([received])
    figures = cloud.figures()
    assert (figures.queued, figures.in_flight, figures.oldest_seconds) == (0, 0, 0.0)


def test_message_is_stored_until_the_last_acknowledgement(cloud: Cloud) -> None:
    other = "projects/test/subscriptions/other"
    cloud.create()
    cloud.create(other)
    cloud.publish("a", "b")
    cloud.acknowledge(cloud.pull())
    assert _stored(cloud) == 2
    cloud.acknowledge(cloud.pull(subscription=other), other)
    assert _stored(cloud) == 0
    cloud.publish("c")
    cloud.subscriber.delete_subscription(subscription=SUBSCRIPTION)
    cloud.subscriber.delete_subscription(subscription=other)
    cloud.publish("d")
    assert _stored(cloud) == 0


def _stored(cloud: Cloud) -> int:
    storage = cloud.server._storage
    counted = cloud.call(
        storage.run(lambda connection, _: connection.execute("SELECT COUNT(*) FROM messages").fetchone())
    )
    return int(counted[0])


def test_every_subscription_gets_the_message(cloud: Cloud) -> None:
    other = "projects/test/subscriptions/other"
    cloud.create()
    cloud.create(other, filter='attributes.colour = "red"')
    cloud.publish("a", colour="blue")
    cloud.publish("b", colour="red")
    assert [each.message.data for each in cloud.pull()] == [b"a", b"b"]
    assert [each.message.data for each in cloud.pull(subscription=other)] == [b"b"]


def test_hand_written_clients_stream_with_a_callback(cloud: Cloud) -> None:
    publisher = PublisherClient()
    subscriber = SubscriberClient()
    cloud.create()
    seen = set()
    complete = threading.Event()

    def receive(message: Any) -> None:
        seen.add(message.data)
        message.ack()
        if len(seen) == 300:
            complete.set()

    flow = types.FlowControl(max_messages=20)
    pulling = subscriber.subscribe(SUBSCRIPTION, receive, flow_control=flow)
    for future in [publisher.publish(TOPIC, f"{n}".encode()) for n in range(300)]:
        future.result(10)
    assert complete.wait(20)
    pulling.cancel()
    pulling.result(10)
    publisher.stop()
    subscriber.close()


def test_stream_holds_no_more_than_the_client_allows(cloud: Cloud, wait_until: Callable[..., None]) -> None:
    cloud.create()
    cloud.publish(*[f"{n}" for n in range(50)])
    requests = [{"subscription": SUBSCRIPTION, "stream_ack_deadline_seconds": 30, "max_outstanding_messages": 3}]
    done = threading.Event()

    def send() -> Any:
        yield types.StreamingPullRequest(requests[0])
        done.wait(20)

    stream = cloud.subscriber.streaming_pull(requests=send(), timeout=20)
    first = list(next(stream).received_messages)
    assert len(first) == 3
    cloud.acknowledge(first)
    assert [each.message.data for each in next(stream).received_messages] == [b"3", b"4", b"5"]
    assert cloud.figures().in_flight == 3
    done.set()
    assert list(stream) == []


def test_message_comes_again_after_its_deadline(cloud: Cloud) -> None:
    cloud.create()
    cloud.publish("a")
    received = cloud.pull()
    cloud.nack(received, seconds=1)
    began = time.monotonic()
    again = cloud.pull()
    assert [each.message.data for each in again] == [b"a"]
    assert 0.9 < time.monotonic() - began < 4
    assert again[0].ack_id != received[0].ack_id


def test_late_acknowledgement_counts_and_late_nack_does_not(cloud: Cloud) -> None:
    cloud.create()
    cloud.publish("a")
    first = cloud.pull()
    cloud.nack(first)
    second = cloud.pull()
    cloud.nack(first)
    assert cloud.figures().in_flight == 1
    cloud.acknowledge(first)
    assert cloud.figures().in_flight == 0
    cloud.acknowledge(second)


def test_backoff_doubles_up_to_the_maximum(cloud: Cloud) -> None:
    policy = {"minimum_backoff": timedelta(seconds=0.2), "maximum_backoff": timedelta(seconds=0.5)}
    cloud.create(retry_policy=policy)
    cloud.publish("a")
    waits = []
    received = cloud.pull()
    for _ in range(4):
        cloud.nack(received)
        began = time.monotonic()
        received = cloud.pull()
        waits.append(time.monotonic() - began)
    # Attempts 1 to 4 wait 0.2, 0.4, 0.5 and 0.5 s; a busy machine may add to that.
    assert all(low < wait < low + 0.3 for wait, low in zip(waits, (0.19, 0.39, 0.49, 0.49), strict=True))


def test_ordering_key_has_one_message_in_flight(cloud: Cloud) -> None:
    cloud.create(enable_message_ordering=True)
    cloud.publish("a1", "a2", "a3", key="a")
    cloud.publish("b1", "b2", key="b")
    cloud.publish("free")
    first = cloud.pull()
    assert [each.message.data for each in first] == [b"a1", b"b1", b"free"]
    assert first[0].message.ordering_key == "a"
    cloud.nack(first[:1])
    again = cloud.pull()
    assert [each.message.data for each in again] == [b"a1"]
    seen = []
    while again:
        seen += [each.message.data for each in again]
        cloud.acknowledge(again)
        again = cloud.pull() if seen[-1] != b"a3" else []
    assert seen == [b"a1", b"a2", b"a3"]
    cloud.acknowledge(first[1:])
    assert [each.message.data for each in cloud.pull()] == [b"b2"]


def test_failed_message_goes_to_the_dead_letters(cloud: Cloud) -> None:
    cloud.create(GRAVE_READER, GRAVE)
    cloud.create(dead_letter_policy={"dead_letter_topic": GRAVE, "max_delivery_attempts": 5})
    cloud.publish("bad", colour="blue")
    for attempt in range(1, 6):
        (received,) = cloud.pull()
        assert received.delivery_attempt == attempt
        cloud.nack([received])
    (letter,) = cloud.pull(subscription=GRAVE_READER)
    attributes = dict(letter.message.attributes)
    published = attributes.pop("CloudPubSubDeadLetterSourceTopicPublishTime")
    assert abs(datetime.fromisoformat(published) - datetime.now(UTC)) < timedelta(seconds=20)
    assert attributes == {
        "colour": "blue",
        "CloudPubSubDeadLetterSourceDeliveryCount": "5",
        "CloudPubSubDeadLetterSourceSubscription": "reader",
        "CloudPubSubDeadLetterSourceSubscriptionProject": "test",
    }
    assert letter.message.data == b"bad"
    assert cloud.figures().queued == 0


def test_message_stays_while_the_dead_letter_topic_is_missing(cloud: Cloud) -> None:
    cloud.create(dead_letter_policy={"dead_letter_topic": GRAVE, "max_delivery_attempts": 5})
    cloud.publish("bad")
    for _ in range(6):
        cloud.nack(cloud.pull())
    assert cloud.figures().queued == 1
    cloud.create(GRAVE_READER, GRAVE)
    cloud.nack(cloud.pull())
    assert (
        cloud.pull(subscription=GRAVE_READER)[0].message.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "7"
    )


def test_seek_drops_and_replays(cloud: Cloud) -> None:
    cloud.create(retain_acked_messages=True, enable_message_ordering=True)
    cloud.publish("a", "b", key="k")
    middle = datetime.now(UTC)
    cloud.publish("c", "d", key="k")
    cloud.acknowledge(cloud.pull())
    cloud.acknowledge(cloud.pull())
    cloud.acknowledge(cloud.pull())
    cloud.subscriber.seek(request={"subscription": SUBSCRIPTION, "time": middle})
    for expected in (b"c", b"d"):
        (received,) = cloud.pull()
        assert received.message.data == expected
        cloud.acknowledge([received])
    cloud.subscriber.seek(request={"subscription": SUBSCRIPTION, "time": middle - timedelta(hours=1)})
    assert cloud.figures().queued == 4
    cloud.subscriber.seek(request={"subscription": SUBSCRIPTION, "time": datetime.now(UTC) + timedelta(hours=1)})
    assert cloud.figures().queued == 0


def test_process_publishes_without_a_client(cloud: Cloud) -> None:
    cloud.create()
    number = cloud.call(cloud.server.publish_local(TOPIC, b"local", {"a": "b"}))
    (received,) = cloud.pull()
    assert (received.message.message_id, received.message.data) == (number, b"local")
    with pytest.raises(NotFoundError, match="nowhere"):
        cloud.call(cloud.server.publish_local("projects/test/topics/nowhere", b"", {}))
