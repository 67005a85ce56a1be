"""A recording's voices have clips to be heard, or other clips than before.

The schema is `schemas/clips_ready.v1.json`. Within a version fields are only added, never changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID, uuid5

from sonicgen.domain.recording import RECORDING_NAMESPACE
from sonicgen.errors import InputError
from sonicgen.events.envelope import CloudEvent, open_envelope, require

TYPE = "sonicgen.clips.ready.v1"
SOURCE = "//sonicgen/speakers"

_WHOSE = "event clips.ready"


@dataclass(frozen=True, slots=True)
class ClipsReady:
    """A recording's clips are in the bucket; `digest` is of what they were cut by."""

    recording_id: UUID
    digest: str
    time: datetime
    voices: int = 0
    clips: int = 0
    seconds: float = 0.0

    @property
    def id(self) -> str:
        """The event's identity: the same clips have the same id."""
        return str(uuid5(RECORDING_NAMESPACE, f"{TYPE}\n{self.recording_id}\n{self.digest}"))

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
            "digest": self.digest,
            "voices": self.voices,
            "clips": self.clips,
            "seconds": float(self.seconds),
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any], time: datetime) -> Self:
        """Return the event of its data; raise InputError naming what is wrong. Unknown fields are ignored."""
        try:
            return cls(
                recording_id=UUID(str(require(data, "recording_id", _WHOSE))),
                digest=str(require(data, "digest", _WHOSE)),
                time=time,
                voices=int(data.get("voices") or 0),
                clips=int(data.get("clips") or 0),
                seconds=float(data.get("seconds") or 0.0),
            )
        except (ValueError, TypeError) as error:
            raise InputError(f"The {_WHOSE} holds something unknown: {error}.") from error


def parse_clips_ready(event: CloudEvent | Mapping[str, Any]) -> ClipsReady:
    """Return the event of whatever it arrived in; raise InputError when it is another, or a broken one."""
    envelope = open_envelope(event)
    if envelope.event_type != TYPE:
        raise InputError(f"An event of type {envelope.event_type} is no {TYPE}.")
    if envelope.time is None:
        raise InputError(f"The {_WHOSE} has no time.")
    return ClipsReady.from_data(envelope.data, envelope.time)
