"""A recording's voices have clips to be heard, or other clips than before.

The schema is `schemas/clips_ready.v1.json`.
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
class ClipsReady(OwnEvent):
    """A recording's clips are in the bucket; `digest` is of what they were cut by."""

    TYPE = "sonicgen.clips.ready.v1"
    SOURCE = "//sonicgen/speakers"

    recording_id: UUID
    digest: str
    time: datetime
    voices: int = 0
    clips: int = 0
    seconds: float = 0.0

    @property
    def told(self) -> str:
        """The same clips have the same id."""
        return f"{self.recording_id}\n{self.digest}"

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
        with cls.refusing():
            return cls(
                recording_id=UUID(str(require(data, "recording_id", cls.whose()))),
                digest=str(require(data, "digest", cls.whose())),
                time=time,
                voices=int(data.get("voices") or 0),
                clips=int(data.get("clips") or 0),
                seconds=float(data.get("seconds") or 0.0),
            )


parse_clips_ready = ClipsReady.parse
