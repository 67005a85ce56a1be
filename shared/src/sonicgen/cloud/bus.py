"""SonicGen's use of Pub/Sub: publishing events, and what lies among the dead letters.

Events travel as attributes `ce-*` with JSON data; a push subscription with `no_wrapper { write_metadata }` hands them
to a function as native CloudEvents. The clients are Google's own, made at the first call; with PUBSUB_EMULATOR_HOST set
they speak to the embedded cloud.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Protocol

from sonicgen.errors import InputError, NotFoundError, SettingsError, UnavailableError
from sonicgen.settings import settings

logger = logging.getLogger(__name__)

# Seconds until a publish or an admin call gives up, its retries included. A function has minutes; a person waits less.
CALL_SECONDS = 20.0

# Seconds that a pull of dead letters waits for a first one; real Pub/Sub answers within about one.
PULL_SECONDS = 2.0

# Events in one publish request; the service takes 1,000.
_EVENTS_AT_ONCE = 500

# Dead letters leased at a time while they are replayed, so that each is settled long before its lease ends.
_LETTERS_AT_ONCE = 50

_DEAD_LETTER_PREFIX = "CloudPubSubDeadLetterSource"


class Event(Protocol):
    """What can be published: an event with its identity and JSON data."""

    @property
    def id(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def time(self) -> datetime: ...
    @property
    def data(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that failed too often; `event_id` and `event_type` are empty for messages that are no CloudEvents."""

    message_id: str
    event_id: str
    event_type: str
    source_subscription: str
    attempts: int
    published: str
    attributes: Mapping[str, str]
    data: bytes


def publish_event(topic: str, event: Event) -> str:
    """Publish one event to a topic (its short name, or its path) and return the message's id once it is safe.

    Raises NotFoundError when the topic does not exist, UnavailableError when Pub/Sub does not take it in time.
    """
    return publish_events(topic, [event])[0]


def publish_events(topic: str, events: Sequence[Event]) -> list[str]:
    """Publish events in few requests and return the messages' ids in order; raises as `publish_event` does.

    When it raises, some may have been published: publish all again, their ids make that harmless.
    """
    path = _path("topics", topic)
    messages = [{"data": json.dumps(event.data).encode(), "attributes": _attributes(event)} for event in events]
    ids: list[str] = []
    for start in range(0, len(messages), _EVENTS_AT_ONCE):
        ids += _publish(path, messages[start : start + _EVENTS_AT_ONCE])
    return ids


def publish_message(topic: str, data: bytes, attributes: Mapping[str, str]) -> str:
    """Publish a message that is no event of ours, such as a bucket's notification; returns and raises as above."""
    return _publish(_path("topics", topic), [{"data": data, "attributes": dict(attributes)}])[0]


def list_dead_letters(dead_letter_subscription: str, limit: int = 100) -> list[DeadLetter]:
    """Return up to `limit` dead letters and leave them where they are.

    Raises NotFoundError when the subscription does not exist, UnavailableError when Pub/Sub does not answer.
    """
    path = _path("subscriptions", dead_letter_subscription)
    found: list[Any] = []
    try:
        while len(found) < limit and (received := _pull(path, limit - len(found))):
            found += received
    finally:
        _put_back(path, found)
    return [_read(each.message) for each in found]


def replay_dead_letters(dead_letter_subscription: str, limit: int = 100) -> Iterator[DeadLetter]:
    """Publish up to `limit` dead letters to the topics they came from, remove them here, and yield each.

    Every subscription of that topic gets the event again, since Pub/Sub cannot address one; those that have done it
    know it by its id in the event ledger. A letter whose subscription or topic is gone stays here and is not yielded.
    Raises as `list_dead_letters` does.
    """
    path = _path("subscriptions", dead_letter_subscription)
    leased: dict[str, Any] = {}
    replayed = 0
    try:
        while replayed < limit and (received := _pull(path, min(limit - replayed, _LETTERS_AT_ONCE))):
            leased |= {each.ack_id: each for each in received}
            for each in received:
                letter = _read(each.message)
                try:
                    _publish(_source_topic(letter), [_revived(each.message)])
                except NotFoundError as error:
                    logger.warning("Dead letter %s stays: %s", letter.message_id, error)
                    continue
                with _explained(path):
                    _subscriber().acknowledge(subscription=path, ack_ids=[each.ack_id], timeout=CALL_SECONDS)
                del leased[each.ack_id]
                replayed += 1
                yield letter
    finally:
        _put_back(path, list(leased.values()))


def close() -> None:
    """Close the clients; the next call makes new ones."""
    for client in (_publisher, _subscriber):
        if client.cache_info().currsize:
            client().transport.close()
            client.cache_clear()


# The generated clients, without the batching and threads of the hand-written ones: every publish here waits for its
# result, so there is nothing to batch. The import takes 0.4 s, which a process that publishes nothing does not pay.
@lru_cache(maxsize=1)
def _publisher() -> Any:
    from google.pubsub_v1 import PublisherClient

    with _explained("Pub/Sub"):
        return PublisherClient()


@lru_cache(maxsize=1)
def _subscriber() -> Any:
    from google.pubsub_v1 import SubscriberClient

    with _explained("Pub/Sub"):
        return SubscriberClient()


def _path(collection: str, name: str) -> str:
    return name if "/" in name else f"projects/{settings().project_id}/{collection}/{name}"


def _attributes(event: Event) -> dict[str, str]:
    return {
        "ce-id": event.id,
        "ce-type": event.type,
        "ce-source": event.source,
        "ce-specversion": "1.0",
        "ce-time": event.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "Content-Type": "application/json",
    }


def _publish(path: str, messages: Sequence[Any]) -> list[str]:
    from google.api_core import exceptions
    from google.api_core.retry import Retry, if_exception_type

    # What the service may answer for a moment. A second publish of the same event is harmless, a lost one is not.
    passing = if_exception_type(
        exceptions.Aborted,
        exceptions.DeadlineExceeded,
        exceptions.InternalServerError,
        exceptions.ResourceExhausted,
        exceptions.ServiceUnavailable,
        exceptions.Unknown,
    )
    retry = Retry(predicate=passing, initial=0.1, maximum=5.0, timeout=CALL_SECONDS)
    with _explained(path):
        answer = _publisher().publish(topic=path, messages=messages, retry=retry, timeout=CALL_SECONDS)
    return list(answer.message_ids)


def _pull(path: str, limit: int) -> list[Any]:
    from google.api_core import exceptions

    with _explained(path):
        try:
            answer = _subscriber().pull(subscription=path, max_messages=limit, retry=None, timeout=PULL_SECONDS)
        except exceptions.DeadlineExceeded:
            return []
    return list(answer.received_messages)


def _put_back(path: str, received: Sequence[Any]) -> None:
    """Let leased letters be seen at once by whoever looks next; when that fails, their leases run out by themselves."""
    if not received:
        return
    with contextlib.suppress(UnavailableError), _explained(path):
        _subscriber().modify_ack_deadline(
            subscription=path,
            ack_ids=[each.ack_id for each in received],
            ack_deadline_seconds=0,
            timeout=CALL_SECONDS,
        )


def _source_topic(letter: DeadLetter) -> str:
    if not letter.source_subscription:
        raise NotFoundError("it does not say which subscription it came from; publish its data by hand.")
    with _explained(letter.source_subscription):
        subscription = _subscriber().get_subscription(subscription=letter.source_subscription, timeout=CALL_SECONDS)
    if "/" not in subscription.topic:
        raise NotFoundError(f"The topic of {letter.source_subscription} was deleted; create both again to replay.")
    return str(subscription.topic)


def _revived(message: Any) -> dict[str, Any]:
    attributes = {key: text for key, text in message.attributes.items() if not key.startswith(_DEAD_LETTER_PREFIX)}
    return {"data": message.data, "attributes": attributes, "ordering_key": message.ordering_key}


def _read(message: Any) -> DeadLetter:
    attributes = dict(message.attributes)
    name = attributes.get(f"{_DEAD_LETTER_PREFIX}Subscription", "")
    project = attributes.get(f"{_DEAD_LETTER_PREFIX}SubscriptionProject", "")
    return DeadLetter(
        message_id=message.message_id,
        event_id=attributes.get("ce-id", ""),
        event_type=attributes.get("ce-type", ""),
        source_subscription=f"projects/{project}/subscriptions/{name}" if name and project else "",
        attempts=int(attributes.get(f"{_DEAD_LETTER_PREFIX}DeliveryCount", "0")),
        published=attributes.get(f"{_DEAD_LETTER_PREFIX}TopicPublishTime", ""),
        attributes=attributes,
        data=bytes(message.data),
    )


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turn the client's errors into ours, with a sentence that names the topic or subscription."""
    from google.api_core import exceptions
    from google.auth.exceptions import GoogleAuthError

    try:
        yield
    except exceptions.NotFound as error:
        raise NotFoundError(f"{what} does not exist in Pub/Sub; create it (terraform apply, sonicgen up).") from error
    except exceptions.InvalidArgument as error:
        raise InputError(f"Pub/Sub refuses the call for {what}: {error.message}") from error
    except (exceptions.Forbidden, exceptions.Unauthorized) as error:
        raise SettingsError(f"This account may not use {what}; give it the Pub/Sub role for it.") from error
    except GoogleAuthError as error:
        raise SettingsError(f"Google Cloud refuses the credentials ({error}); run sonicgen doctor.") from error
    except exceptions.GoogleAPIError as error:
        raise UnavailableError(f"Pub/Sub did not take the call for {what} in time; try again later.") from error
