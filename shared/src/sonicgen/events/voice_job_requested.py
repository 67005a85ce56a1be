"""Somebody asked about the voices in a file.

The schema is `schemas/voice_job_requested.v1.json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from sonicgen.events.envelope import require
from sonicgen.events.own import OwnEvent


@dataclass(frozen=True, slots=True)
class VoiceJobRequested(OwnEvent):
    """A job waits to be worked on; told again, it is the same event."""

    TYPE = "sonicgen.voice.job.requested.v1"
    SOURCE = "//sonicgen/voices"

    job_id: UUID
    time: datetime

    @property
    def told(self) -> str:
        """A job is worked on once."""
        return f"{self.job_id}"

    @property
    def data(self) -> Mapping[str, Any]:
        """What is published."""
        return {"job_id": str(self.job_id)}

    @classmethod
    def from_data(cls, data: Mapping[str, Any], time: datetime) -> Self:
        """Return the event of its data; raise InputError naming what is wrong. Unknown fields are ignored."""
        with cls.refusing():
            return cls(UUID(str(require(data, "job_id", cls.whose()))), time)


parse_voice_job_requested = VoiceJobRequested.parse
