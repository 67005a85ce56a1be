"""Requests for a source, ours and those that people publish by hand; and the discovery of a video."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any
from uuid import UUID

import pytest

from sonicgen.domain.filters import Filters
from sonicgen.domain.source import SourceKind
from sonicgen.errors import InputError
from sonicgen.events import channel_ingest
from sonicgen.events.channel_ingest import ChannelIngest, asked_for, parse_channel_ingest
from sonicgen.events.video_discovered import VideoDiscovered, parse_video_discovered
from tests.unit.events.test_recording_fingerprinted import faults

NOW = datetime(2026, 1, 2, tzinfo=UTC)
REQUEST = ChannelIngest(
    address="@weather",
    time=NOW,
    filters=Filters(published_after=NOW, title_words=("rain",), max_videos=5, include_shorts=False),
    watch=True,
    poll_every_seconds=600,
    kind=SourceKind.CHANNEL,
    source_id=UUID(int=3),
    id="one",
)
BARE_REQUEST = ChannelIngest(address="@weather", time=NOW, id="two")
VIDEO = VideoDiscovered(
    video_id=UUID(int=1),
    url="https://www.youtube.com/watch?v=dQw4w9WgXcQ",
    title="Rain",
    time=NOW,
    youtube_id="dQw4w9WgXcQ",
    source_id=UUID(int=3),
    duration_seconds=60,
    published_at=NOW,
)
BARE_VIDEO = VideoDiscovered(video_id=UUID(int=1), url="https://example.org/a.mp3", title="", time=NOW)


def schema(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(files("sonicgen.events").joinpath(f"schemas/{name}.v1.json").read_text("utf-8"))
    return read


@pytest.mark.parametrize(
    ("name", "event", "kind"),
    [
        ("channel_ingest", REQUEST, channel_ingest.TYPE),
        ("channel_ingest", BARE_REQUEST, channel_ingest.TYPE),
        ("video_discovered", VIDEO, VideoDiscovered.TYPE),
        ("video_discovered", BARE_VIDEO, VideoDiscovered.TYPE),
    ],
)
def test_data_fits_the_schema(name: str, event: ChannelIngest | VideoDiscovered, kind: str) -> None:
    wanted = schema(name)
    assert faults(json.loads(json.dumps(event.data)), wanted) == []
    assert list(event.data) == list(wanted["properties"])
    assert wanted["$id"] == kind == event.type


@pytest.mark.parametrize("request_", [REQUEST, BARE_REQUEST])
def test_a_request_makes_the_whole_trip(request_: ChannelIngest) -> None:
    assert ChannelIngest.from_data(json.loads(json.dumps(request_.data)), NOW, request_.id) == request_


@pytest.mark.parametrize("video", [VIDEO, BARE_VIDEO])
def test_a_discovery_makes_the_whole_trip(video: VideoDiscovered) -> None:
    again = VideoDiscovered.from_data(json.loads(json.dumps(video.data)), NOW)
    assert again == video
    assert again.id == video.id


def test_a_video_is_discovered_once_whoever_tells_of_it() -> None:
    assert VIDEO.id == replace(VIDEO, title="Other", source_id=None, time=datetime(2027, 1, 1, tzinfo=UTC)).id
    assert VIDEO.id == "995e9c92-9ed9-5bb4-a3d3-0e4d2f8de5d8"  # must never change: consumers remember it
    assert len({VIDEO.id, replace(VIDEO, round=1).id, replace(VIDEO, video_id=UUID(int=2)).id}) == 3


def envelope(name: str, recorded: Callable[[str], Any]) -> dict[str, Any]:
    request = recorded(name)
    if "ce-id" in request["headers"]:
        return {key[3:]: value for key, value in request["headers"].items() if key.startswith("ce-")} | {
            "data": request["body"]
        }
    # What functions-framework makes of a raw push.
    return {
        "id": request["body"]["message"]["messageId"],
        "type": "google.cloud.pubsub.topic.v1.messagePublished",
        "source": "//pubsub.googleapis.com/projects/sonicgen-local/topics/channel-ingest",
        "data": {"message": request["body"]["message"]},
    }


@pytest.mark.parametrize(
    "name", ["channel_ingest_native", "channel_ingest_raw_push", "channel_ingest_by_hand_raw_push"]
)
def test_requests_in_each_envelope(name: str, recorded: Callable[[str], Any]) -> None:
    request = parse_channel_ingest(envelope(name, recorded))
    assert request.address == "@weather"
    assert request.filters.published_after == datetime(2024, 1, 31, tzinfo=UTC)
    assert request.filters.max_videos == 200
    assert request.id


def test_a_discovery_in_its_envelope(recorded: Callable[[str], Any]) -> None:
    event = envelope("video_discovered_native", recorded)
    assert parse_video_discovered(event).youtube_id == "dQw4w9WgXcQ"
    with pytest.raises(InputError, match="is no"):
        parse_channel_ingest(event)


def by_hand(data: object) -> dict[str, Any]:
    return {
        "id": "1",
        "type": "google.cloud.pubsub.topic.v1.messagePublished",
        "source": "//pubsub",
        "data": {"message": {"data": data, "messageId": "1"}},
    }


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "has no source"),
        ({"source": ""}, "has no source"),
        ({"source": "@a", "publish_after": "2024-01-01"}, "did you mean published_after?"),
        ({"source": "@a", "xyz": 1}, "there are source, published_after"),
        ({"source": "@a", "published_after": "yesterday"}, "YYYY-MM-DD"),
        ({"source": "@a", "watch": "yes"}, "neither true nor false"),
        ({"source": "@a", "poll_every_seconds": 5}, "from 60"),
        ({"source": "@a", "kind": "station"}, "wrong kind"),
        ({"source": "@a", "source_id": "x"}, "wrong kind or source_id"),
        ({"source": "@a", "max_videos": -1}, "1 or more"),
        ("bm8ganNvbg==", "not JSON"),
    ],
)
def test_what_is_wrong_is_told(data: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_channel_ingest(by_hand(data))


def test_what_was_asked_for_is_told_as_far_as_it_can_be() -> None:
    assert asked_for(by_hand({"source": "@a", "watch": 1})) == "@a"
    assert asked_for(by_hand({})) == ""
    assert asked_for({}) == ""


def test_our_own_events_may_have_newer_fields() -> None:
    event = {"id": "1", "type": channel_ingest.TYPE, "source": "s", "data": {"source": "@a", "later": 1}}
    assert parse_channel_ingest(event).address == "@a"
