"""Storage events in every shape."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cloudevents.http import CloudEvent

from sonicgen.errors import InputError
from sonicgen.events.envelope import MESSAGE_PUBLISHED
from sonicgen.events.objects import FINALIZED, ObjectFinalized, parse_object_event

RESOURCE = {
    "bucket": "inbox",
    "name": "a b#1.mp3",
    "generation": "1763690000123456",
    "size": "10",
    "md5Hash": "rL0Y20zC+Fzt72VPzMSk2A==",
    "contentType": "audio/mpeg",
}
EVENT: dict[str, Any] = {"id": "1", "type": FINALIZED, "source": "//storage", "data": RESOURCE}


def test_a_storage_event() -> None:
    found = parse_object_event(CloudEvent({"type": FINALIZED, "source": "//storage", "id": "1"}, RESOURCE))
    assert found is not None
    assert (found.bucket, found.name, found.generation) == ("inbox", "a b#1.mp3", 1763690000123456)
    assert (found.size_bytes, found.md5, found.content_type) == (10, "rL0Y20zC+Fzt72VPzMSk2A==", "audio/mpeg")
    assert found.identity == "inbox/a b#1.mp3#1763690000123456"
    assert found.uri == "gs://inbox/a b#1.mp3"


@pytest.mark.parametrize("name", ["storage_finalized_eventarc", "storage_notification_eventarc"])
def test_recorded_events(name: str, recorded: Callable[[str], Any]) -> None:
    request = recorded(name)
    headers = {key.removeprefix("ce-"): value for key, value in request["headers"].items() if key.startswith("ce-")}
    found = parse_object_event(headers | {"data": request["body"]})
    assert isinstance(found, ObjectFinalized)
    assert found.identity == "sonicgen-inbox/interviews/\u00e9t\u00e9 1.mp3#1763690000123456"
    assert found.time == datetime(2026, 11, 21, 1, 53, 20, 123456, tzinfo=UTC)
    notified = name == "storage_notification_eventarc"
    assert found.overwrote_generation == (1763680000000001 if notified else None)


@pytest.mark.parametrize("kind", ["deleted", "archived", "metadataUpdated"])
def test_other_storage_events_are_ignored(kind: str) -> None:
    assert parse_object_event(EVENT | {"type": f"google.cloud.storage.object.v1.{kind}"}) is None


@pytest.mark.parametrize("kind", ["OBJECT_DELETE", "OBJECT_ARCHIVE", "OBJECT_METADATA_UPDATE"])
def test_other_notifications_are_ignored(kind: str) -> None:
    data = {"message": {"attributes": {"eventType": kind}, "data": ""}}
    assert parse_object_event(EVENT | {"type": MESSAGE_PUBLISHED, "data": data}) is None


def test_a_composed_object_has_no_md5() -> None:
    event = copy.deepcopy(EVENT)
    del event["data"]["md5Hash"], event["data"]["contentType"]
    found = parse_object_event(event)
    assert found is not None
    assert (found.md5, found.content_type) == (None, None)


@pytest.mark.parametrize("field", ["bucket", "name", "generation", "size"])
def test_what_is_missing_is_named(field: str) -> None:
    event = copy.deepcopy(EVENT)
    del event["data"][field]
    with pytest.raises(InputError, match=f"has no {field}"):
        parse_object_event(event)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data": RESOURCE | {"generation": "first"}}, "generation 'first'"),
        ({"data": RESOURCE | {"size": "-1"}}, "negative"),
        ({"data": None}, "payload_format"),
        ({"type": "some.other.event"}, "no storage event"),
        ({"type": MESSAGE_PUBLISHED, "data": {"message": {"data": "e30="}}}, "no attribute eventType"),
        (
            {"type": MESSAGE_PUBLISHED, "data": {"message": {"attributes": {"eventType": "OBJECT_FINALIZE"}}}},
            "payload_format",
        ),
    ],
)
def test_what_is_wrong_is_said(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_object_event(EVENT | change)


def test_events_are_recorded_for_each_shape() -> None:
    folder = Path(__file__).parents[2] / "events"
    assert len(list(folder.glob("*.json"))) >= 8
