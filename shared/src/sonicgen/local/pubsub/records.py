"""Topics, subscriptions and messages as the queue works with them, and the catalog that finds them by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sonicgen.errors import InputError, NotFoundError
from sonicgen.local.pubsub.filters import Predicate, compile_filter

# The label by which a subscription says how many pushes its endpoint takes at a time, and the number without it. A
# function that computes fills a core by itself; two in flight keep it busy without flooding it.
MAX_IN_FLIGHT_LABEL = "max-in-flight"
DEFAULT_MAX_IN_FLIGHT = 2


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic; `config` is its protobuf message, `retention_seconds` 0 when acknowledged messages are not kept."""

    id: int
    name: str
    config: Any
    retention_seconds: float


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription with its policies in plain numbers; `topic_id` stays when its topic is deleted."""

    id: int
    name: str
    topic_id: int
    config: Any
    ack_deadline_seconds: int
    retention_seconds: float
    ordered: bool
    passes: Predicate
    backoff_seconds: tuple[float, float] | None
    dead_letter_topic: str
    max_delivery_attempts: int
    push_endpoint: str
    max_in_flight: int

    def backoff(self, attempt: int) -> float:
        """Return the seconds to wait after failed delivery number `attempt`: doubling from the minimum to the maximum.

        Without a retry policy a pulled message comes again at once, and a pushed one after 0.1 to 60 s, which is the
        real service's own backoff of a push that fails.
        """
        if self.backoff_seconds is None and not self.push_endpoint:
            return 0.0
        minimum, maximum = self.backoff_seconds or (0.1, 60.0)
        return min(maximum, minimum * 2.0 ** min(max(attempt - 1, 0), 32))


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message as it is published."""

    data: bytes
    attributes: dict[str, str]
    ordering_key: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message leased to one subscriber; `attempt` counts from 1."""

    subscription_id: int
    message_id: int
    lease: int
    attempt: int
    publish_time: float
    ordering_key: str
    attributes: dict[str, str]
    data: bytes

    @property
    def handle(self) -> Handle:
        return Handle(self.subscription_id, self.message_id, self.lease)


@dataclass(frozen=True, slots=True)
class Handle:
    """What identifies one lease of one message; its text form is the ack id."""

    subscription_id: int
    message_id: int
    lease: int

    def __str__(self) -> str:
        return f"{self.subscription_id:x}-{self.message_id:x}-{self.lease:x}"

    @classmethod
    def parse(cls, ack_id: str, subscription: Subscription) -> Handle:
        """Return the handle of an ack id of `subscription`; raise InputError for any other text."""
        try:
            handle = cls(*(int(part, 16) for part in ack_id.split("-")))
        except (TypeError, ValueError):
            handle = None
        if handle is None or handle.subscription_id != subscription.id:
            raise InputError(f"{ack_id!r} is no ack id of {subscription.name}; use those that a pull returned.")
        return handle


@dataclass(frozen=True, slots=True)
class SubscriptionStatistics:
    """How a subscription stands: messages waiting, messages being worked on, and the age of the oldest of both."""

    subscription: str
    topic: str
    push_endpoint: str
    queued: int
    in_flight: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class Catalog:
    """All topics and subscriptions at one moment; a change makes a new catalog."""

    topics: dict[str, Topic] = field(default_factory=dict)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    by_id: dict[int, Subscription] = field(default_factory=dict)
    by_topic: dict[int, tuple[Subscription, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, topics: Iterable[Topic], subscriptions: Iterable[Subscription]) -> Catalog:
        known = list(subscriptions)
        by_topic: dict[int, tuple[Subscription, ...]] = {}
        for subscription in known:
            by_topic[subscription.topic_id] = (*by_topic.get(subscription.topic_id, ()), subscription)
        return cls(
            topics={topic.name: topic for topic in topics},
            subscriptions={each.name: each for each in known},
            by_id={each.id: each for each in known},
            by_topic=by_topic,
        )

    def topic(self, name: str) -> Topic:
        """Return the topic of that path; raise NotFoundError when there is none."""
        try:
            return self.topics[name]
        except KeyError:
            raise NotFoundError(f"The topic {name} does not exist; create it first.") from None

    def subscription(self, name: str) -> Subscription:
        """Return the subscription of that path; raise NotFoundError when there is none."""
        try:
            return self.subscriptions[name]
        except KeyError:
            raise NotFoundError(f"The subscription {name} does not exist; create it first.") from None


def make_topic(number: int, name: str, config: Any) -> Topic:
    """Return the record of a topic from its protobuf message."""
    retention = config.message_retention_duration
    return Topic(number, name, config, retention.seconds + retention.nanos / 1e9)


def make_subscription(number: int, name: str, topic_id: int, config: Any) -> Subscription:
    """Return the record of a subscription from its protobuf message, which `configs` has checked and completed."""
    backoff = None
    if config.HasField("retry_policy"):
        policy = config.retry_policy
        backoff = (
            policy.minimum_backoff.seconds + policy.minimum_backoff.nanos / 1e9,
            policy.maximum_backoff.seconds + policy.maximum_backoff.nanos / 1e9,
        )
    return Subscription(
        id=number,
        name=name,
        topic_id=topic_id,
        config=config,
        ack_deadline_seconds=config.ack_deadline_seconds,
        retention_seconds=float(config.message_retention_duration.seconds),
        ordered=config.enable_message_ordering,
        passes=compile_filter(config.filter),
        backoff_seconds=backoff,
        dead_letter_topic=config.dead_letter_policy.dead_letter_topic,
        max_delivery_attempts=config.dead_letter_policy.max_delivery_attempts,
        push_endpoint=config.push_config.push_endpoint,
        max_in_flight=int(config.labels.get(MAX_IN_FLIGHT_LABEL, DEFAULT_MAX_IN_FLIGHT)),
    )
