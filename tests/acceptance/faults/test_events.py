"""No push, however broken, ends in a server error: what can never be read is acknowledged, and on record with why."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sonicgen.errors import InputError
from sonicgen.events.channel_ingest import parse_channel_ingest
from sonicgen.events.clips_ready import parse_clips_ready
from sonicgen.events.objects import parse_object_event
from sonicgen.events.recording_fingerprinted import parse_recording_fingerprinted
from sonicgen.events.transcript_completed import parse_transcript_completed
from sonicgen.events.transcript_ready import parse_transcript_ready
from sonicgen.events.video_discovered import parse_video_discovered
from sonicgen.events.voice_job_requested import parse_voice_job_requested
from tests.acceptance.faults.conftest import ROUNDS
from tests.acceptance.faults.world import World

RECORDED = Path(__file__).parents[2] / "events"
EXAMPLES = settings(
    max_examples=60 * ROUNDS, deadline=None, derandomize=ROUNDS == 1, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
PARSERS = (
    parse_object_event, parse_channel_ingest, parse_clips_ready, parse_recording_fingerprinted,
    parse_transcript_completed, parse_transcript_ready, parse_video_discovered, parse_voice_job_requested,
)  # fmt: skip
# The function, and a request that it understands.
PUSHES = {
    "fingerprint_match": "storage_notification_raw_push",
    "transcription_submit": "recording_fingerprinted_native",
    "transcript_fetch": "transcript_completed_native",
    "transcript_inherit": "transcript_ready_native",
}

_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(),
    st.text(st.characters(codec=None), max_size=20), st.sampled_from(
        ["", "\0", "a\0b", "\ud800", "-1", "1e400", "9" * 5_000, "x" * 100_000, "../../etc/passwd", "2026-13-45T99:99Z",
         "0001-01-01T00:00:00+23:59", "00000000-0000-0000-0000-000000000000", "gs://", "'; drop table videos; --"]
    ),
    st.recursive(st.none(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
                 max_leaves=5),
)  # fmt: skip


def _places(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield before
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _places(inner, (*before, key))


def _set(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    if not place:
        return new
    inner = value
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = new
    return value


def _spoiled(data: st.DataObject, value: Any) -> Any:
    """Return JSON in which up to three values are others, or are not there."""
    made = copy.deepcopy(value)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(list(_places(made))))
        made = _set(made, place, data.draw(_VALUES))
        if not isinstance(made, dict):
            break
    return made


def _recorded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RECORDED / f"{name}.json").read_text("utf-8"))
    return found


@pytest.mark.parametrize("name", sorted(path.stem for path in RECORDED.glob("*.json")))
@given(data=st.data())
@EXAMPLES
def test_no_event_breaks_a_parser(name: str, data: st.DataObject) -> None:
    request = _recorded(name)
    headers = {key.removeprefix("ce-"): value for key, value in request["headers"].items() if key.startswith("ce-")}
    body = request["body"]
    if "message" in body:
        headers = {"id": "1", "type": "google.cloud.pubsub.topic.v1.messagePublished", "source": "//pubsub"}
    event = _spoiled(data, {**headers, "data": body})
    if not isinstance(event, dict):
        event = {"id": "1", "type": "t", "source": "s", "data": event}
    if data.draw(st.booleans()):
        event["data"] = json.dumps(event.get("data")).encode()
    for parse in PARSERS:
        try:
            parse(event)
        except InputError:
            continue


@pytest.mark.parametrize("function", PUSHES)
def test_no_push_ends_in_a_server_error(world: World, function: str) -> None:
    request = _recorded(PUSHES[function])
    number = 0

    @given(data=st.data())
    @EXAMPLES
    def push(data: st.DataObject) -> None:
        nonlocal number
        number += 1
        body = _spoil_body(data, request["body"])
        headers = {**request["headers"], **({"ce-id": f"garbage {number}"} if "ce-id" in request["headers"] else {})}
        if data.draw(st.integers(0, 5)) == 0 and "ce-id" in headers:
            headers[data.draw(st.sampled_from(["ce-id", "ce-type", "ce-time", "ce-source"]))] = data.draw(
                st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=300)
            )
        world.push(function, headers, body)

    push()


def _spoil_body(data: st.DataObject, body: dict[str, Any]) -> bytes:
    made = copy.deepcopy(body)
    if "message" in made:
        inner = json.loads(base64.b64decode(made["message"]["data"]))
        spoiled = json.dumps(_spoiled(data, inner)).encode()
        made["message"]["data"] = base64.b64encode(spoiled).decode()
        if data.draw(st.booleans()):
            made["message"]["attributes"] = _spoiled(data, made["message"]["attributes"])
    else:
        made = _spoiled(data, made)
    raw = json.dumps(made).encode()
    # The envelope is made by the bus, which makes it well; what it holds is the publisher's.
    if "message" not in body and data.draw(st.integers(0, 7)) == 0:
        at = data.draw(st.integers(0, len(raw)))
        raw = raw[:at] + data.draw(st.binary(max_size=8)) + raw[data.draw(st.integers(at, len(raw))) :]
    return raw
