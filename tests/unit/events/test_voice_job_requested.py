from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib.resources import files
from uuid import UUID

import pytest

from sonicgen.errors import InputError
from sonicgen.events.voice_job_requested import VoiceJobRequested, parse_voice_job_requested
from tests.unit.events.test_recording_fingerprinted import faults

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SCHEMA = json.loads(files("sonicgen.events").joinpath("schemas/voice_job_requested.v1.json").read_text("utf-8"))
EVENT = VoiceJobRequested(UUID(int=1), NOW)


def test_the_schema_says_what_is_published() -> None:
    assert faults(dict(EVENT.data), SCHEMA) == []
    assert set(SCHEMA["required"]) == set(SCHEMA["properties"]) == set(EVENT.data)


def test_told_again_it_is_the_same_event() -> None:
    assert VoiceJobRequested.from_data({**EVENT.data, "new": 1}, NOW) == EVENT
    assert VoiceJobRequested(UUID(int=1), datetime.now(UTC)).id == EVENT.id
    assert VoiceJobRequested(UUID(int=2), NOW).id != EVENT.id


def test_refuses_what_it_is_not() -> None:
    with pytest.raises(InputError, match="unknown"):
        VoiceJobRequested.from_data({"job_id": "x"}, NOW)
    with pytest.raises(InputError):
        parse_voice_job_requested({"type": "other", "data": {}})
