"""The two events about transcripts, and that the schema says the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any
from uuid import UUID

import pytest

from sonicgen.domain.transcript import TranscriptReason, TranscriptState
from sonicgen.errors import InputError
from sonicgen.events.transcript_completed import TranscriptCompleted, parse_transcript_completed
from sonicgen.events.transcript_ready import TranscriptReady, parse_transcript_ready
from tests.unit.events.test_recording_fingerprinted import faults

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SCHEMA = json.loads(files("sonicgen.events").joinpath("schemas/transcript_ready.v1.json").read_text("utf-8"))
READY = TranscriptReady(
    UUID(int=1), UUID(int=2), TranscriptState.READY, 3, NOW, TranscriptReason.TRANSCRIBED, "local", "en", 60.0, 12.5,
    ("A", "1-B"), 7,
)  # fmt: skip


def test_the_schema_says_what_is_published() -> None:
    assert faults(dict(READY.data), SCHEMA) == []
    bare = TranscriptReady(UUID(int=1), UUID(int=2), TranscriptState.FAILED, 0, NOW)
    assert faults(dict(bare.data), SCHEMA) == []
    properties = SCHEMA["properties"]
    assert set(properties["state"]["enum"]) == set(TranscriptState)
    assert set(properties["reason"]["enum"]) == {*TranscriptReason, None}
    assert set(SCHEMA["required"]) == set(properties) == set(READY.data)


def test_ready_survives_its_way_and_has_one_identity() -> None:
    assert TranscriptReady.from_data({**READY.data, "new": 1}, NOW) == READY
    assert replace(READY, time=datetime.now(UTC), utterances=9).id == READY.id
    assert len({READY.id, replace(READY, revision=4).id, replace(READY, state=TranscriptState.EMPTY).id}) == 3


def test_completed_survives_its_way_and_has_one_identity() -> None:
    event = TranscriptCompleted(NOW, "job", UUID(int=5), "completed")
    assert TranscriptCompleted.from_data({**event.data, "new": 1}, NOW) == event
    assert replace(event, time=datetime.now(UTC)).id == event.id
    assert len({event.id, replace(event, status="error").id, replace(event, provider_id="b").id}) == 3


def test_recorded_events_are_read(recorded: Callable[[str], Any]) -> None:
    ready = parse_transcript_ready(as_event(recorded("transcript_ready_native")))
    assert (ready.state, ready.speakers, ready.utterances) == (TranscriptState.INHERITED, ("A", "B"), 8)
    assert faults(recorded("transcript_ready_native")["body"], SCHEMA) == []
    completed = parse_transcript_completed(as_event(recorded("transcript_completed_native")))
    assert completed.provider_id == "9aed6872-cd00-4837-9e02-4387659fe8fd"
    assert str(completed.submit_key) == "ed3719da-d2b4-4c6c-9c68-7e6911a02d95"


def as_event(request: dict[str, Any]) -> dict[str, Any]:
    headers = {name.removeprefix("ce-"): value for name, value in request["headers"].items() if name.startswith("ce-")}
    return {**headers, "data": request["body"]}


@pytest.mark.parametrize(
    "changes", [{"recording_id": "no id"}, {"state": "unknown"}, {"revision": "x"}, {"state": None}, {"reason": "?"}]
)
def test_a_broken_ready_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        TranscriptReady.from_data({**READY.data, **changes}, NOW)


@pytest.mark.parametrize("data", [{}, {"provider_id": ""}, {"submit_key": "no key"}])
def test_a_broken_completed_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        TranscriptCompleted.from_data(data, NOW)


def test_another_event_is_refused(recorded: Callable[[str], Any]) -> None:
    with pytest.raises(InputError, match="is no sonicgen"):
        parse_transcript_ready(as_event(recorded("transcript_completed_native")))
    with pytest.raises(InputError, match="is no sonicgen"):
        parse_transcript_completed(as_event(recorded("transcript_ready_native")))
