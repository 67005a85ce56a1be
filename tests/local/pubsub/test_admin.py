"""Topics and subscriptions, and the status codes of what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from google.api_core import exceptions

if TYPE_CHECKING:
    from .conftest import Cloud

TOPIC = "projects/test/topics/news"
SUBSCRIPTION = "projects/test/subscriptions/reader"


def test_topics_are_listed_changed_and_deleted(cloud: Cloud) -> None:
    names = [f"projects/test/topics/topic-{n}" for n in range(5)]
    for name in names:
        cloud.publisher.create_topic(name=name)
    cloud.publisher.create_topic(name="projects/other/topics/elsewhere")
    pages = cloud.publisher.list_topics(request={"project": "projects/test", "page_size": 2})
    assert [topic.name for topic in pages] == names
    change = {"topic": {"name": names[0], "labels": {"a": "b"}}, "update_mask": {"paths": ["labels"]}}
    cloud.publisher.update_topic(request=change)
    assert dict(cloud.publisher.get_topic(topic=names[0]).labels) == {"a": "b"}
    cloud.create(topic=names[0])
    assert list(cloud.publisher.list_topic_subscriptions(topic=names[0])) == [SUBSCRIPTION]
    cloud.publish("owed", topic=names[0])
    cloud.publisher.delete_topic(topic=names[0])
    assert cloud.topics() == names[1:]
    assert cloud.subscriber.get_subscription(subscription=SUBSCRIPTION).topic == "_deleted-topic_"
    assert [each.message.data for each in cloud.pull()] == [b"owed"]


def test_subscription_gets_defaults_and_changes(cloud: Cloud) -> None:
    cloud.create(labels={"a": "b"}, retry_policy={})
    made = cloud.subscriber.get_subscription(subscription=SUBSCRIPTION)
    assert made.ack_deadline_seconds == 10
    assert made.message_retention_duration == timedelta(days=7)
    assert made.retry_policy.minimum_backoff == timedelta(seconds=10)
    change = {
        "name": SUBSCRIPTION,
        "ack_deadline_seconds": 30,
        "labels": {"max-in-flight": "1"},
        "retry_policy": {"minimum_backoff": timedelta(seconds=1)},
        "filter": "attributes:ignored",
    }
    paths = ["ack_deadline_seconds", "labels", "retry_policy.minimum_backoff"]
    answer = cloud.subscriber.update_subscription(request={"subscription": change, "update_mask": {"paths": paths}})
    assert answer == cloud.subscriber.get_subscription(subscription=SUBSCRIPTION)
    assert answer.ack_deadline_seconds == 30
    assert dict(answer.labels) == {"max-in-flight": "1"}
    assert answer.retry_policy.minimum_backoff == timedelta(seconds=1)
    assert answer.retry_policy.maximum_backoff == timedelta(seconds=600)
    assert answer.filter == ""
    assert [each.name for each in cloud.subscriber.list_subscriptions(project="projects/test")] == [SUBSCRIPTION]
    cloud.publish("a")
    cloud.subscriber.delete_subscription(subscription=SUBSCRIPTION)
    with pytest.raises(exceptions.NotFound):
        cloud.pull()


REFUSED: dict[str, tuple[Callable[[Any], object], type[Exception], str]] = {
    "unknown topic": (lambda c: c.publish("a", topic="projects/test/topics/none"), exceptions.NotFound, "create it"),
    "unknown subscription": (
        lambda c: c.pull(subscription="projects/test/subscriptions/none"),
        exceptions.NotFound,
        "create it",
    ),
    "topic twice": (lambda c: c.publisher.create_topic(name=TOPIC), exceptions.AlreadyExists, "exists already"),
    "subscription twice": (lambda c: c.create(), exceptions.AlreadyExists, "exists already"),
    "wrong name": (lambda c: c.publisher.create_topic(name="news"), exceptions.InvalidArgument, "starts with a letter"),
    "goog name": (lambda c: c.create(topic="projects/p/topics/google"), exceptions.InvalidArgument, "goog"),
    "empty message": (lambda c: c.publish(""), exceptions.InvalidArgument, "data or at least one attribute"),
    "no message": (lambda c: c.publish(), exceptions.InvalidArgument, "1 to 1000"),
    "large message": (lambda c: c.publish("x" * 10_000_001), exceptions.InvalidArgument, "10000000"),
    "long attribute": (lambda c: c.publish("a", key_="x" * 1025), exceptions.InvalidArgument, "1024 bytes"),
    "goog attribute": (lambda c: c.publish("a", google="x"), exceptions.InvalidArgument, "goog"),
    "short deadline": (lambda c: c.create(_other(), ack_deadline_seconds=5), exceptions.InvalidArgument, "10 to 600"),
    "wrong filter": (lambda c: c.create(_other(), filter="colour"), exceptions.InvalidArgument, "colour"),
    "few attempts": (
        lambda c: c.create(_other(), dead_letter_policy={"dead_letter_topic": TOPIC, "max_delivery_attempts": 4}),
        exceptions.InvalidArgument,
        "5 to 100",
    ),
    "wrong endpoint": (
        lambda c: c.create(_other(), push_config={"push_endpoint": "localhost:80"}),
        exceptions.InvalidArgument,
        "http://HOST/PATH",
    ),
    "wrong port": (
        lambda c: c.create(_other(), push_config={"push_endpoint": "http://localhost:99999/"}),
        exceptions.InvalidArgument,
        "http://HOST/PATH",
    ),
    "wrong label": (
        lambda c: c.create(_other(), labels={"max-in-flight": "many"}),
        exceptions.InvalidArgument,
        "1 to 1000",
    ),
    "exactly once": (
        lambda c: c.create(_other(), enable_exactly_once_delivery=True),
        exceptions.InvalidArgument,
        "exactly-once",
    ),
    "foreign ack id": (
        lambda c: c.subscriber.acknowledge(subscription=SUBSCRIPTION, ack_ids=["what"]),
        exceptions.InvalidArgument,
        "ack id",
    ),
    "immutable field": (
        lambda c: c.subscriber.update_subscription(
            request={"subscription": {"name": SUBSCRIPTION}, "update_mask": {"paths": ["filter"]}}
        ),
        exceptions.InvalidArgument,
        "cannot be changed",
    ),
    "snapshot": (
        lambda c: c.subscriber.create_snapshot(name="projects/test/snapshots/s", subscription=SUBSCRIPTION),
        exceptions.MethodNotImplemented,
        "Method not found",
    ),
}


def _other() -> str:
    return "projects/test/subscriptions/other"


@pytest.mark.parametrize("name", REFUSED)
def test_refusal_has_its_status_and_a_sentence(cloud: Cloud, name: str) -> None:
    call, kind, words = REFUSED[name]
    cloud.create()
    with pytest.raises(kind, match=words):
        call(cloud)


def test_push_subscription_cannot_be_pulled(cloud: Cloud) -> None:
    cloud.create(push_config={"push_endpoint": "http://127.0.0.1:9/"})
    with pytest.raises(exceptions.FailedPrecondition, match="remove the push endpoint"):
        cloud.pull()
    cloud.publish("a")
    cloud.subscriber.modify_push_config(subscription=SUBSCRIPTION, push_config={})
    assert [each.message.data for each in cloud.pull()] == [b"a"]
