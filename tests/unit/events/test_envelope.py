"""Envelopes that are wrong say what is missing."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.http import CloudEvent

from sonicgen.errors import InputError
from sonicgen.events.envelope import MESSAGE_PUBLISHED, open_envelope, read_time

BASE = {"id": "1", "type": "some.type", "source": "//here"}


def message(**fields: Any) -> dict[str, Any]:
    """Return a messagePublished event as a mapping."""
    return BASE | {"type": MESSAGE_PUBLISHED, "data": {"message": fields}}


def test_a_cloudevent_and_a_mapping_are_read_alike() -> None:
    event = CloudEvent(BASE | {"time": "2026-01-02T03:04:05Z", "subject": "s"}, {"k": 1})
    mapping = BASE | {"time": "2026-01-02T03:04:05Z", "subject": "s", "data": {"k": 1}}
    assert open_envelope(event) == open_envelope(mapping)
    assert open_envelope(event).time == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("data", [{"k": 1}, '{"k": 1}', b'{"k": 1}', bytearray(b'{"k": 1}')])
def test_data_may_be_decoded_already(data: object) -> None:
    assert open_envelope(BASE | {"data": data}).data == {"k": 1}


@pytest.mark.parametrize("data", [None, "", b""])
def test_no_data(data: object) -> None:
    assert open_envelope(BASE | {"data": data}).data == {}


def test_an_own_event_keeps_its_identity_in_a_wrapped_push() -> None:
    attributes = {"ce-id": "own", "ce-type": "own.type", "ce-source": "//own", "ce-time": "2026-01-02T03:04:05Z"}
    envelope = open_envelope(message(attributes=attributes, messageId="7", data=base64.b64encode(b"{}").decode()))
    assert (envelope.event_id, envelope.event_type, envelope.source) == ("own", "own.type", "//own")
    assert envelope.time == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_message_without_own_identity_has_the_buses() -> None:
    envelope = open_envelope(message(attributes={"k": "v"}, messageId="7", publishTime="2026-01-02T03:04:05.5Z"))
    assert (envelope.event_id, envelope.event_type) == ("7", MESSAGE_PUBLISHED)
    assert envelope.attributes == {"k": "v"}
    assert envelope.time is not None


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"type": "t", "source": "s"}, "has no id"),
        ({"id": "1", "source": "s"}, "has no type"),
        ({"id": "1", "type": "t"}, "has no source"),
        (BASE | {"data": "{"}, "is not JSON"),
        (BASE | {"data": b"\xff\xfe"}, "is not JSON"),
        (BASE | {"data": [1]}, "no JSON object"),
        (BASE | {"data": {}, "time": "yesterday"}, "RFC 3339"),
        (BASE | {"type": MESSAGE_PUBLISHED, "data": {}}, "has no message"),
        (BASE | {"type": MESSAGE_PUBLISHED, "data": {"message": "text"}}, "has no message"),
        (message(attributes=["k"]), "attributes"),
        (message(data="%%%"), "not base64"),
        (message(data="e30"), "not base64"),
        (message(data=base64.b64encode(b"text").decode()), "is not JSON"),
    ],
)
def test_what_is_wrong_is_said(event: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        open_envelope(event)


def test_times() -> None:
    assert read_time("") is None
    assert read_time("2026-01-02T03:04:05.123456789Z") == datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)
    assert read_time("2026-01-02T03:04:05") == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
