"""The envelopes that events arrive in, opened into one form.

Three shapes reach a function, and `open_envelope` makes them alike:

- a storage event of Eventarc: a CloudEvent whose data is the object resource;
- a Pub/Sub message: a CloudEvent `messagePublished` around the message, from Eventarc or made by functions-framework
  from a raw push (which drops the subscription and the ordering key);
- an event of our own topics: a native CloudEvent, pushed with `no_wrapper { write_metadata = true }`.

Specifications: https://github.com/cloudevents/spec, https://cloud.google.com/pubsub/docs/push
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

from sonicgen.errors import InputError

MESSAGE_PUBLISHED = "google.cloud.pubsub.topic.v1.messagePublished"

# Attributes that a publisher writes into a message so that it is pushed as a native CloudEvent.
_ATTRIBUTE_PREFIX = "ce-"
_REQUIRED = ("id", "type", "source")


class CloudEvent(Protocol):
    """What a functions-framework handler is given: attributes as a mapping would have them, and data."""

    @property
    def data(self) -> Any: ...

    def get(self, key: str, default: Any = None, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class Envelope:
    """One event, whatever it arrived in.

    `attributes` are those of the Pub/Sub message, empty for other events. `data` is decoded JSON: an object, or empty
    when there was none. `event_id` is the same for every delivery of the same event.
    """

    event_id: str
    event_type: str
    source: str
    subject: str = ""
    time: datetime | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)


def open_envelope(event: CloudEvent | Mapping[str, Any]) -> Envelope:
    """Return what an event says; raise InputError, naming what is missing, when it is none.

    A mapping holds a CloudEvent's attributes and its data under `data`.
    """
    raw = event.get("data") if isinstance(event, Mapping) else event.data
    outer = {name: _text(event.get(name)) for name in (*_REQUIRED, "subject", "time")}
    for name in _REQUIRED:
        if not outer[name]:
            raise InputError(f"The event has no {name}; it must be a CloudEvent with id, type and source.")
    if outer["type"] == MESSAGE_PUBLISHED:
        return _open_message(outer, _read_object(raw, "event"))
    return Envelope(
        event_id=outer["id"],
        event_type=outer["type"],
        source=outer["source"],
        subject=outer["subject"],
        time=read_time(outer["time"]),
        data=_read_object(raw, "event"),
    )


def _open_message(outer: Mapping[str, str], body: Mapping[str, Any]) -> Envelope:
    message = body.get("message")
    if not isinstance(message, Mapping):
        raise InputError("The Pub/Sub event has no message.")
    given = message.get("attributes") or {}
    if not isinstance(given, Mapping):
        raise InputError("The Pub/Sub message's attributes are no object.")
    attributes = {str(name): _text(value) for name, value in given.items()}
    # Our own events keep their identity in the attributes also when the subscription does not unwrap them.
    own = {name: attributes.get(f"{_ATTRIBUTE_PREFIX}{name}", "") for name in (*_REQUIRED, "subject", "time")}
    native = all(own[name] for name in _REQUIRED)
    named = own if native else outer
    published = _text(message.get("publishTime") or message.get("publish_time"))
    return Envelope(
        event_id=named["id"] if native else _text(message.get("messageId") or message.get("message_id")) or outer["id"],
        event_type=named["type"],
        source=named["source"],
        subject=named["subject"],
        time=read_time(named["time"] or published),
        attributes=attributes,
        data=_read_message_data(message.get("data")),
    )


def _read_message_data(data: object) -> Mapping[str, Any]:
    if not isinstance(data, str):
        return _read_object(data, "Pub/Sub message")
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("The Pub/Sub message's data is not base64.") from error
    return _read_object(raw, "Pub/Sub message")


def _read_object(raw: object, whose: str) -> Mapping[str, Any]:
    """Return a JSON object from what the framework made of it: decoded already, text, bytes, or nothing."""
    if raw is None or raw in (b"", ""):
        return {}
    if isinstance(raw, bytes | bytearray | str):
        try:
            raw = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise InputError(f"The {whose}'s data is not JSON.") from error
    if not isinstance(raw, Mapping):
        raise InputError(f"The {whose}'s data is no JSON object.")
    return raw


def read_time(text: str) -> datetime | None:
    """Return an RFC 3339 time, None for an empty text; raise InputError for anything else."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"The event's time {text!r} is no RFC 3339 time.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def require(data: Mapping[str, Any], name: str, whose: str) -> Any:
    """Return a field that must be there; raise InputError, naming it, when it is missing or empty."""
    value = data.get(name)
    if value is None or value == "":
        raise InputError(f"The {whose} has no {name}.")
    return value


def read_id(value: object, name: str, whose: str) -> UUID:
    """Return a field as UUID; raise InputError, naming it, when it is none."""
    try:
        return UUID(str(value))
    except ValueError as error:
        raise InputError(f"The {name} of the {whose} is no UUID: {value!r}.") from error


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return "" if value is None else str(value)
