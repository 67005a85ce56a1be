"""Checks of the topics and subscriptions that clients ask for, and the defaults of what they leave out."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from sonicgen.errors import InputError
from sonicgen.local.pubsub.filters import compile_filter
from sonicgen.local.pubsub.names import check_topic
from sonicgen.local.pubsub.records import MAX_IN_FLIGHT_LABEL, NewMessage

# The limits and defaults of the real service.
ACK_DEADLINE_SECONDS = (10, 600)
RETENTION_SECONDS = (600, 31 * 86400)
DEFAULT_RETENTION_SECONDS = 7 * 86400
BACKOFF_SECONDS = (0, 600)
DEFAULT_BACKOFF_SECONDS = (10, 600)
DELIVERY_ATTEMPTS = (5, 100)
MAX_MESSAGE_BYTES = 10_000_000
MAX_PUBLISHED_AT_ONCE = 1000
MAX_ATTRIBUTES = 100
MAX_KEY_BYTES = 256
MAX_VALUE_BYTES = 1024

_TOPIC_PATHS = frozenset({"labels", "message_retention_duration", "message_storage_policy", "kms_key_name"})
_SUBSCRIPTION_PATHS = frozenset(
    {
        "ack_deadline_seconds",
        "dead_letter_policy",
        "expiration_policy",
        "labels",
        "message_retention_duration",
        "push_config",
        "retain_acked_messages",
        "retry_policy",
    }
)


def complete_topic(config: Any) -> None:
    """Check a topic's message in place; raise InputError naming what is wrong."""
    if config.HasField("message_retention_duration"):
        _check("message_retention_duration", config.message_retention_duration.seconds, RETENTION_SECONDS, "seconds")


def complete_subscription(config: Any) -> None:
    """Check a subscription's message and fill in the defaults, in place; raise InputError naming what is wrong.

    An expiration policy is kept and told, but no subscription ever expires here.
    """
    if config.enable_exactly_once_delivery:
        raise InputError("The embedded Pub/Sub has no exactly-once delivery; leave enable_exactly_once_delivery out.")
    if config.HasField("bigquery_config") or config.HasField("cloud_storage_config"):
        raise InputError(
            "The embedded Pub/Sub delivers by pull and push only; leave the BigQuery or bucket target out."
        )
    config.ack_deadline_seconds = config.ack_deadline_seconds or ACK_DEADLINE_SECONDS[0]
    _check("ack_deadline_seconds", config.ack_deadline_seconds, ACK_DEADLINE_SECONDS, "seconds")
    if not config.HasField("message_retention_duration"):
        config.message_retention_duration.seconds = DEFAULT_RETENTION_SECONDS
    _check("message_retention_duration", config.message_retention_duration.seconds, RETENTION_SECONDS, "seconds")
    compile_filter(config.filter)
    _complete_retry_policy(config)
    if config.HasField("dead_letter_policy"):
        policy = config.dead_letter_policy
        check_topic(policy.dead_letter_topic)
        policy.max_delivery_attempts = policy.max_delivery_attempts or DELIVERY_ATTEMPTS[0]
        _check("max_delivery_attempts", policy.max_delivery_attempts, DELIVERY_ATTEMPTS, "attempts")
    _check_endpoint(config.push_config.push_endpoint)
    label = config.labels.get(MAX_IN_FLIGHT_LABEL, "1")
    if not (label.isascii() and label.isdigit() and 1 <= int(label) <= 1000):
        raise InputError(f"The label {MAX_IN_FLIGHT_LABEL} is {label!r}: use a whole number from 1 to 1000.")


def merge_topic(current: Any, change: Any, mask: Any) -> Any:
    """Return the topic with the fields that the mask names taken from `change`."""
    return _merge(current, change, mask, _TOPIC_PATHS)


def merge_subscription(current: Any, change: Any, mask: Any) -> Any:
    """Return the subscription with the fields that the mask names taken from `change`."""
    return _merge(current, change, mask, _SUBSCRIPTION_PATHS)


def read_message(message: Any) -> NewMessage:
    """Return a published message checked against the service's limits; raise InputError naming what is wrong."""
    if not message.data and not message.attributes:
        raise InputError("A message needs data or at least one attribute.")
    if len(message.data) > MAX_MESSAGE_BYTES:
        raise InputError(f"The message has {len(message.data)} bytes; Pub/Sub takes up to {MAX_MESSAGE_BYTES}.")
    if len(message.attributes) > MAX_ATTRIBUTES:
        raise InputError(f"The message has {len(message.attributes)} attributes; Pub/Sub takes up to {MAX_ATTRIBUTES}.")
    if len(message.ordering_key.encode()) > MAX_VALUE_BYTES:
        raise InputError(f"The ordering key is longer than {MAX_VALUE_BYTES} bytes; shorten it.")
    attributes = dict(message.attributes)
    for key, value in attributes.items():
        if not key or len(key.encode()) > MAX_KEY_BYTES or key.lower().startswith("goog"):
            raise InputError(
                f"The attribute key {key[:80]!r} is empty, starts with goog or exceeds {MAX_KEY_BYTES} bytes."
            )
        if len(value.encode()) > MAX_VALUE_BYTES:
            raise InputError(
                f"The value of attribute {key!r} is longer than {MAX_VALUE_BYTES} bytes; put it into the data."
            )
    return NewMessage(message.data, attributes, message.ordering_key)


def _check_endpoint(endpoint: str) -> None:
    if not endpoint:
        return
    try:
        parts = urlsplit(endpoint)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or not endpoint.isascii() or any(sign.isspace() for sign in endpoint):
        raise InputError(f"The push endpoint {endpoint!r} is no address: use http://HOST/PATH or https://HOST/PATH.")


def _complete_retry_policy(config: Any) -> None:
    if not config.HasField("retry_policy"):
        return
    policy = config.retry_policy
    for name, default in zip(("minimum_backoff", "maximum_backoff"), DEFAULT_BACKOFF_SECONDS, strict=True):
        if not policy.HasField(name):
            getattr(policy, name).seconds = default
        _check(name, getattr(policy, name).seconds, BACKOFF_SECONDS, "seconds")
    if policy.minimum_backoff.ToNanoseconds() > policy.maximum_backoff.ToNanoseconds():
        raise InputError("The retry policy's minimum_backoff is longer than its maximum_backoff; exchange them.")


def _merge(current: Any, change: Any, mask: Any, allowed: frozenset[str]) -> Any:
    if not mask.paths:
        raise InputError("The update mask is empty; name the fields to change.")
    merged = type(current)()
    merged.CopyFrom(current)
    for path in mask.paths:
        head, _, rest = path.partition(".")
        if head not in allowed:
            raise InputError(f"{path!r} cannot be changed; these can: {', '.join(sorted(allowed))}.")
        if rest:
            _merge_inner(merged, change, type(mask)(paths=[path]))
            continue
        # One field at a time through a message that holds nothing else, which is right for maps as well.
        part = type(current)()
        part.CopyFrom(change)
        for descriptor, _value in part.ListFields():
            if descriptor.name != head:
                part.ClearField(descriptor.name)
        merged.ClearField(head)
        merged.MergeFrom(part)
    return merged


def _merge_inner(merged: Any, change: Any, inner: Any) -> None:
    try:
        inner.MergeMessage(change, merged, True, True)
    except ValueError as error:
        raise InputError(f"{inner.paths[0]!r} names no field; correct the update mask.") from error


def _check(name: str, value: int, bounds: tuple[int, int], unit: str) -> None:
    if not bounds[0] <= value <= bounds[1]:
        raise InputError(f"{name} is {value}: use {bounds[0]} to {bounds[1]} {unit}.")
