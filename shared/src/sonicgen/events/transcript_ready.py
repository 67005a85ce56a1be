"""A recording's transcript holds words, or other words than before: what speaker work, heirs and readers wait for.

The schema is `schemas/transcript_ready.v1.json`. Within a version fields are only added, never changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID, uuid5

from sonicgen.domain.recording import RECORDING_NAMESPACE
from sonicgen.domain.transcript import TranscriptReason, TranscriptState
from sonicgen.errors import InputError
from sonicgen.events.envelope import CloudEvent, open_envelope, require

TYPE = "sonicgen.transcript.ready.v1"
SOURCE = "//sonicgen/transcription"

_WHOSE = "event transcript.ready"


@dataclass(frozen=True, slots=True)
class TranscriptReady:
    """A transcript is over: `state` says whether it holds words. `revision` counts each change of what it holds."""

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
    def id(self) -> str:
        """The event's identity: the same revision in the same state has the same id, whoever tells of it."""
        told = f"{self.transcript_id}\n{self.revision}\n{self.state}\n{self.reason}"
        return str(uuid5(RECORDING_NAMESPACE, f"{TYPE}\n{told}"))

    @property
    def type(self) -> str:
        """The event's type and version."""
        return TYPE

    @property
    def source(self) -> str:
        """Who tells of it."""
        return SOURCE

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
        try:
            return cls(
                recording_id=UUID(str(require(data, "recording_id", _WHOSE))),
                transcript_id=UUID(str(require(data, "transcript_id", _WHOSE))),
                state=TranscriptState(require(data, "state", _WHOSE)),
                revision=int(require(data, "revision", _WHOSE)),
                time=time,
                reason=None if reason is None else TranscriptReason(reason),
                provider=data.get("provider"),
                language=data.get("language"),
                paid_seconds=float(data.get("paid_seconds") or 0.0),
                inherited_seconds=float(data.get("inherited_seconds") or 0.0),
                speakers=tuple(map(str, data.get("speakers") or ())),
                utterances=int(data.get("utterances") or 0),
            )
        except (ValueError, TypeError) as error:
            raise InputError(f"The {_WHOSE} holds something unknown: {error}.") from error


def parse_transcript_ready(event: CloudEvent | Mapping[str, Any]) -> TranscriptReady:
    """Return the event of whatever it arrived in; raise InputError when it is another, or a broken one."""
    envelope = open_envelope(event)
    if envelope.event_type != TYPE:
        raise InputError(f"An event of type {envelope.event_type} is no {TYPE}.")
    if envelope.time is None:
        raise InputError(f"The {_WHOSE} has no time.")
    return TranscriptReady.from_data(envelope.data, envelope.time)
