"""The event that clips are ready, and that the schema says the same."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any
from uuid import UUID

import pytest

from sonicgen.errors import InputError
from sonicgen.events.clips_ready import ClipsReady, parse_clips_ready
from tests.unit.events.test_recording_fingerprinted import faults

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SCHEMA = json.loads(files("sonicgen.events").joinpath("schemas/clips_ready.v1.json").read_text("utf-8"))
READY = ClipsReady(UUID(int=1), "abc", NOW, 2, 7, 55.5)


def test_the_schema_says_what_is_published() -> None:
    assert faults(dict(READY.data), SCHEMA) == []
    assert set(SCHEMA["required"]) == set(SCHEMA["properties"]) == set(READY.data)


def test_it_survives_its_way_and_has_one_identity() -> None:
    assert ClipsReady.from_data({**READY.data, "new": 1}, NOW) == READY
    assert replace(READY, time=datetime.now(UTC), clips=9).id == READY.id
    assert len({READY.id, replace(READY, digest="x").id, replace(READY, recording_id=UUID(int=2)).id}) == 3
    event = {
        "id": READY.id,
        "type": READY.type,
        "source": READY.source,
        "time": NOW.isoformat(),
        "data": dict(READY.data),
    }
    assert parse_clips_ready(event) == READY


@pytest.mark.parametrize("changes", [{"recording_id": "no id"}, {"digest": None}, {"clips": "many"}])
def test_a_broken_one_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        ClipsReady.from_data({**READY.data, **changes}, NOW)
