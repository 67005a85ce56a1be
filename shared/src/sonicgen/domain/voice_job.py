"""A file whose voices somebody asked about, and what was found in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

UNKNOWN = "UNKNOWN"


class VoiceJobKind(StrEnum):
    """What was asked."""

    IDENTIFY = "IDENTIFY"
    DIARIZE = "DIARIZE"


class VoiceJobStatus(StrEnum):
    """How far it is."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen."""
        return self in (VoiceJobStatus.DONE, VoiceJobStatus.FAILED)


@dataclass(frozen=True, slots=True)
class VoiceSegment:
    """A turn; `name` is the speaker's present one. `confidence` is the closest person's probability."""

    id: UUID
    label: str
    start_seconds: float
    end_seconds: float
    speaker_id: UUID | None = None
    name: str | None = None
    outcome: str | None = None
    confidence: float | None = None
    audio_object: str | None = None


@dataclass(frozen=True, slots=True)
class VoiceJob:
    """One job; `segments` are empty until it is done."""

    id: UUID
    kind: VoiceJobKind
    status: VoiceJobStatus
    owner: str
    input_object: str
    input_name: str
    exports_segments: bool
    num_speakers_wanted: int | None
    least_probability: float | None
    duration_seconds: float | None
    num_speakers: int | None
    diarizer: str | None
    model: str | None
    thresholds: Mapping[str, float] | None
    error: str | None
    attempts: int
    created_at: datetime
    completed_at: datetime | None
    segments: tuple[VoiceSegment, ...] = ()
