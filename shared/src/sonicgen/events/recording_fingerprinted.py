"""A recording's fingerprint is stored and its matches decided: what the transcription waits for.

The schema is `schemas/recording_fingerprinted.v1.json`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from sonicgen.domain.recording import MatchStatus, Reason
from sonicgen.errors import InputError
from sonicgen.events.envelope import read_id, require
from sonicgen.events.own import OwnEvent


@dataclass(frozen=True, slots=True)
class MatchSummary:
    """One match in short; the times are of the new recording (`query`) and the known one (`reference`)."""

    recording_id: UUID
    query_start_seconds: float
    query_end_seconds: float
    reference_start_seconds: float
    reference_end_seconds: float
    probability: float
    decision: str


@dataclass(frozen=True, slots=True)
class RecordingFingerprinted(OwnEvent):
    """A recording is decided: `original_id` when it is a copy, and the ranges of it that nothing known covers."""

    TYPE = "sonicgen.recording.fingerprinted.v1"
    SOURCE = "//sonicgen/fingerprint_match"

    recording_id: UUID
    status: MatchStatus
    time: datetime
    reason: Reason | None = None
    original_id: UUID | None = None
    duration_seconds: float | None = None
    novel_ranges: tuple[tuple[float, float], ...] = ()
    matches: tuple[MatchSummary, ...] = field(default_factory=tuple)

    @property
    def told(self) -> str:
        """The same decision has the same id, whichever attempt tells of it and when."""
        told = json.dumps(self.to_data(), sort_keys=True, separators=(",", ":"))
        return f"{self.recording_id}\n{told}"

    @property
    def data(self) -> Mapping[str, Any]:
        """What is published."""
        return self.to_data()

    def to_data(self) -> dict[str, Any]:
        """Return the event's data as JSON has it."""
        return {
            "recording_id": str(self.recording_id),
            "status": str(self.status),
            "reason": None if self.reason is None else str(self.reason),
            "original_id": None if self.original_id is None else str(self.original_id),
            "duration_seconds": None if self.duration_seconds is None else float(self.duration_seconds),
            "novel_ranges": [[float(start), float(end)] for start, end in self.novel_ranges],
            "matches": [
                {
                    "recording_id": str(match.recording_id),
                    "query_start_seconds": float(match.query_start_seconds),
                    "query_end_seconds": float(match.query_end_seconds),
                    "reference_start_seconds": float(match.reference_start_seconds),
                    "reference_end_seconds": float(match.reference_end_seconds),
                    "probability": float(match.probability),
                    "decision": match.decision,
                }
                for match in self.matches
            ],
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any], time: datetime) -> Self:
        """Return the event of its data; raise InputError naming what is missing. Unknown fields are ignored."""
        reason, original = data.get("reason"), data.get("original_id")
        duration = data.get("duration_seconds")
        try:
            status = MatchStatus(require(data, "status", cls.whose()))
            known_reason = None if reason is None else Reason(reason)
        except ValueError as error:
            raise InputError(f"The {cls.whose()} has an unknown status or reason: {error}.") from error
        return cls(
            recording_id=read_id(require(data, "recording_id", cls.whose()), "recording_id", cls.whose()),
            status=status,
            time=time,
            reason=known_reason,
            original_id=None if original is None else read_id(original, "original_id", cls.whose()),
            duration_seconds=None if duration is None else _read_number(duration, "duration_seconds"),
            novel_ranges=tuple(map(_read_range, _read_list(data, "novel_ranges"))),
            matches=tuple(map(_read_match, _read_list(data, "matches"))),
        )


parse_recording_fingerprinted = RecordingFingerprinted.parse
_WHOSE = RecordingFingerprinted.whose()


def _read_match(item: object) -> MatchSummary:
    if not isinstance(item, Mapping):
        raise InputError(f"A match of the {_WHOSE} is no object.")

    def number(name: str) -> float:
        return _read_number(require(item, name, "match"), name)

    return MatchSummary(
        recording_id=read_id(require(item, "recording_id", "match"), "recording_id", _WHOSE),
        query_start_seconds=number("query_start_seconds"),
        query_end_seconds=number("query_end_seconds"),
        reference_start_seconds=number("reference_start_seconds"),
        reference_end_seconds=number("reference_end_seconds"),
        probability=number("probability"),
        decision=str(require(item, "decision", "match")),
    )


def _read_range(item: object) -> tuple[float, float]:
    if not isinstance(item, Sequence) or isinstance(item, str) or len(item) != 2:
        raise InputError(f"A novel range of the {_WHOSE} is no pair [start, end].")
    start, end = (_read_number(value, "novel_ranges") for value in item)
    if not 0 <= start < end:
        raise InputError(f"A novel range of the {_WHOSE} ends before it starts.")
    return start, end


def _read_list(data: Mapping[str, Any], name: str) -> list[object]:
    items = data.get(name)
    if not isinstance(items, list):
        raise InputError(f"The {_WHOSE} has no list {name}.")
    return items


def _read_number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f"The {name} of the {_WHOSE} is no number.")
    return float(value)
