"""Our own event, and that its schema says the same."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any
from uuid import UUID

import pytest

from sonicgen.domain.match import Decision
from sonicgen.domain.recording import MatchStatus, Reason
from sonicgen.errors import InputError
from sonicgen.events.recording_fingerprinted import (
    MatchSummary,
    RecordingFingerprinted,
    parse_recording_fingerprinted,
)

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SCHEMA = json.loads(files("sonicgen.events").joinpath("schemas/recording_fingerprinted.v1.json").read_text("utf-8"))
EVENT = RecordingFingerprinted(
    recording_id=UUID(int=1),
    status=MatchStatus.MATCHED,
    time=NOW,
    reason=Reason.DUPLICATE,
    original_id=UUID(int=2),
    duration_seconds=60,
    novel_ranges=((0, 1.5), (50, 60)),
    matches=(MatchSummary(UUID(int=2), 1.5, 50, 100, 148.5, 0.999, "match"),),
)
BARE = RecordingFingerprinted(recording_id=UUID(int=1), status=MatchStatus.FLAG, time=NOW)


def faults(value: object, schema: dict[str, Any], path: str = "data") -> list[str]:
    """Check a value against the part of JSON Schema that our schemas use."""
    kinds: dict[str, Any] = {
        "object": dict, "array": list, "string": str, "number": (int, float), "null": type(None), "boolean": bool
    }  # fmt: skip
    unknown = schema.keys() - {
        "$schema", "$id", "title", "description", "type", "required", "properties", "items", "enum", "format",
        "minimum", "maximum", "minItems", "maxItems",
    }  # fmt: skip
    assert not unknown, f"the checker does not know {unknown}"
    wanted = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(isinstance(value, kinds[kind]) for kind in wanted):
        return [f"{path} is no {wanted}"]
    found = [f"{path} is not one of the enum"] if value not in schema.get("enum", [value]) else []
    if isinstance(value, dict):
        found += [f"{path} has no {name}" for name in schema.get("required", []) if name not in value]
        found += [f"{path}.{name} is not in the schema" for name in value if name not in schema["properties"]]
        for name in value.keys() & schema["properties"].keys():
            found += faults(value[name], schema["properties"][name], f"{path}.{name}")
    elif isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            found.append(f"{path} has {len(value)} items")
        for index, item in enumerate(value):
            found += faults(item, schema["items"], f"{path}[{index}]")
    elif isinstance(value, int | float) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        found.append(f"{path} is out of bounds")
    elif isinstance(value, str) and schema.get("format") == "uuid":
        UUID(value)
    return found


@pytest.mark.parametrize("event", [EVENT, BARE])
def test_data_fits_the_schema(event: RecordingFingerprinted) -> None:
    data = json.loads(json.dumps(event.to_data()))
    assert faults(data, SCHEMA) == []
    assert list(data) == list(SCHEMA["properties"]) == SCHEMA["required"]


def test_the_checker_finds_faults() -> None:
    data = EVENT.to_data()
    for name, value in (("status", "odd"), ("duration_seconds", "1"), ("novel_ranges", [[1]]), ("extra", 1)):
        assert faults(data | {name: value}, SCHEMA)
    del data["matches"][0]["probability"]
    assert faults(data, SCHEMA)


def test_the_schema_knows_all_codes() -> None:
    properties = SCHEMA["properties"]
    assert properties["status"]["enum"] == list(MatchStatus)
    assert properties["reason"]["enum"] == [*Reason, None]
    assert properties["matches"]["items"]["properties"]["decision"]["enum"] == list(Decision)
    assert SCHEMA["$id"] == RecordingFingerprinted.TYPE


@pytest.mark.parametrize("event", [EVENT, BARE])
def test_data_makes_the_whole_trip(event: RecordingFingerprinted) -> None:
    again = RecordingFingerprinted.from_data(json.loads(json.dumps(event.to_data())), event.time)
    assert again == event
    assert again.id == event.id


def test_the_id_is_that_of_the_decision() -> None:
    assert replace(EVENT, time=datetime(2027, 1, 1, tzinfo=UTC)).id == EVENT.id
    assert replace(EVENT, duration_seconds=60.0).id == EVENT.id
    assert EVENT.id == "3229bd39-29f7-5785-9501-b6d979b8460c"  # must never change: consumers remember it
    others = [
        replace(EVENT, recording_id=UUID(int=9)),
        replace(EVENT, status=MatchStatus.FINGERPRINTED),
        replace(EVENT, novel_ranges=()),
        replace(EVENT, matches=()),
    ]
    assert len({event.id for event in [EVENT, *others]}) == 5


def test_a_newer_field_is_ignored() -> None:
    assert RecordingFingerprinted.from_data(EVENT.to_data() | {"later": 1}, NOW) == EVENT


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("recording_id", None, "has no recording_id"),
        ("recording_id", "x", "no UUID"),
        ("status", None, "has no status"),
        ("status", "odd", "unknown status"),
        ("reason", "odd", "unknown status or reason"),
        ("original_id", "x", "original_id"),
        ("duration_seconds", "60", "duration_seconds"),
        ("duration_seconds", float("nan"), "duration_seconds"),
        ("novel_ranges", None, "no list novel_ranges"),
        ("novel_ranges", [[1]], "no pair"),
        ("novel_ranges", ["ab"], "no pair"),
        ("novel_ranges", [[2, 1]], "ends before"),
        ("novel_ranges", [[True, 1]], "no number"),
        ("matches", {}, "no list matches"),
        ("matches", [1], "no object"),
        ("matches", [{}], "has no recording_id"),
    ],
)
def test_what_is_wrong_is_said(name: str, value: object, words: str) -> None:
    data = copy.deepcopy(EVENT.to_data())
    data[name] = value
    with pytest.raises(InputError, match=words):
        RecordingFingerprinted.from_data(data, NOW)


def test_recorded_events(recorded: Callable[[str], Any]) -> None:
    request = recorded("recording_fingerprinted_native")
    headers = {key.removeprefix("ce-"): value for key, value in request["headers"].items() if key.startswith("ce-")}
    event = parse_recording_fingerprinted(headers | {"data": request["body"]})
    assert event.to_data() == request["body"]
    assert faults(request["body"], SCHEMA) == []
    with pytest.raises(InputError, match=r"is no sonicgen\.recording"):
        parse_recording_fingerprinted(headers | {"type": "other", "data": request["body"]})
    with pytest.raises(InputError, match="has no time"):
        parse_recording_fingerprinted(headers | {"time": "", "data": request["body"]})
