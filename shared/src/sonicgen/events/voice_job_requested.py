"""Somebody asked about the voices in a file.

The schema is `schemas/voice_job_requested.v1.json`. Within a version fields are only added, never changed.
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

TYPE = "sonicgen.voice.job.requested.v1"
SOURCE = "//sonicgen/voices"

_WHOSE = "event voice.job.requested"


@dataclass(frozen=True, slots=True)
class VoiceJobRequested:
    """A job waits to be worked on; told again, it is the same event."""

    job_id: UUID
    time: datetime

    @property
    def id(self) -> str:
        """The event's identity: a job is worked on once."""
        return str(uuid5(RECORDING_NAMESPACE, f"{TYPE}\n{self.job_id}"))

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
        return {"job_id": str(self.job_id)}

    @classmethod
    def from_data(cls, data: Mapping[str, Any], time: datetime) -> Self:
        """Return the event of its data; raise InputError naming what is wrong. Unknown fields are ignored."""
        try:
            return cls(UUID(str(require(data, "job_id", _WHOSE))), time)
        except ValueError as error:
            raise InputError(f"The {_WHOSE} holds something unknown: {error}.") from error


def parse_voice_job_requested(event: CloudEvent | Mapping[str, Any]) -> VoiceJobRequested:
    """Return the event of whatever it arrived in; raise InputError when it is another, or a broken one."""
    envelope = open_envelope(event)
    if envelope.event_type != TYPE:
        raise InputError(f"An event of type {envelope.event_type} is no {TYPE}.")
    if envelope.time is None:
        raise InputError(f"The {_WHOSE} has no time.")
    return VoiceJobRequested.from_data(envelope.data, envelope.time)
