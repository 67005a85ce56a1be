"""A recording's transcript holds words, or other words than before: what speaker work, heirs and readers wait for.

The schema is `schemas/transcript_ready.v1.json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from sonicgen.domain.transcript import TranscriptReason, TranscriptState
from sonicgen.events.envelope import require
from sonicgen.events.own import OwnEvent


@dataclass(frozen=True, slots=True)
class TranscriptReady(OwnEvent):
    """A transcript is over: `state` says whether it holds words. `revision` counts each change of what it holds."""

    TYPE = "sonicgen.transcript.ready.v1"
    SOURCE = "//sonicgen/transcription"

    recording_id: UUID
    transcript_id: UUID
    state: TranscriptState
    revision: int
    time: datetime
    reason: TranscriptReason | None = None
    provider: str | None = None
    language: str | None = None
    paid_seconds: float = 0.0
    inherited_seconds: float = 0.0
    speakers: tuple[str, ...] = ()
    utterances: int = 0

    @property
    def told(self) -> str:
        """The same revision in the same state has the same id, whoever tells of it."""
        return f"{self.transcript_id}\n{self.revision}\n{self.state}\n{self.reason}"

    @property
    def data(self) -> Mapping[str, Any]:
        """What is published."""
        return {
            "recording_id": str(self.recording_id),
            "transcript_id": str(self.transcript_id),
            "state": str(self.state),
            "reason": None if self.reason is None else str(self.reason),
            "revision": self.revision,
            "provider": self.provider,
            "language": self.language,
            "paid_seconds": float(self.paid_seconds),
            "inherited_seconds": float(self.inherited_seconds),
            "speakers": list(self.speakers),
            "utterances": self.utterances,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any], time: datetime) -> Self:
        """Return the event of its data; raise InputError naming what is wrong. Unknown fields are ignored."""
        reason = data.get("reason")
        with cls.refusing():
            return cls(
                recording_id=UUID(str(require(data, "recording_id", cls.whose()))),
                transcript_id=UUID(str(require(data, "transcript_id", cls.whose()))),
                state=TranscriptState(require(data, "state", cls.whose())),
                revision=int(require(data, "revision", cls.whose())),
                time=time,
                reason=None if reason is None else TranscriptReason(reason),
                provider=data.get("provider"),
                language=data.get("language"),
                paid_seconds=float(data.get("paid_seconds") or 0.0),
                inherited_seconds=float(data.get("inherited_seconds") or 0.0),
                speakers=tuple(map(str, data.get("speakers") or ())),
                utterances=int(data.get("utterances") or 0),
            )


parse_transcript_ready = TranscriptReady.parse
