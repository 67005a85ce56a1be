"""A source brought a video that was not known: what the download waits for.

The schema is `schemas/video_discovered.v1.json`. Within a version fields are only added, never changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID, uuid5

from sonicgen.domain.recording import RECORDING_NAMESPACE
from sonicgen.errors import InputError
from sonicgen.events.envelope import CloudEvent, open_envelope, read_id, read_time, require

TYPE = "sonicgen.video.discovered.v1"
SOURCE = "//sonicgen/channel_ingest"

_WHOSE = "event video.discovered"


@dataclass(frozen=True, slots=True)
class VideoDiscovered:
    """A video is known and its download may begin.

    `round` counts how often it was asked for anew (a retry by hand), so that the ledger lets it in again.
    """

    video_id: UUID
    url: str
    title: str
    time: datetime
    youtube_id: str | None = None
    source_id: UUID | None = None
    duration_seconds: float | None = None
    published_at: datetime | None = None
    round: int = 0

    @property
    def id(self) -> str:
        """The event's identity: a video is discovered once, whoever tells of it and how often."""
        return str(uuid5(RECORDING_NAMESPACE, f"{TYPE}\n{self.video_id}\n{self.round}"))

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
        published = self.published_at
        return {
            "video_id": str(self.video_id),
            "url": self.url,
            "youtube_id": self.youtube_id,
            "title": self.title,
            "source_id": None if self.source_id is None else str(self.source_id),
            "duration_seconds": None if self.duration_seconds is None else float(self.duration_seconds),
            "published_at": None if published is None else published.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "round": self.round,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any], time: datetime) -> Self:
        """Return the event of its data; raise InputError naming what is missing. Unknown fields are ignored."""
        source, duration, asked = data.get("source_id"), data.get("duration_seconds"), data.get("round", 0)
        if duration is not None and (isinstance(duration, bool) or not isinstance(duration, int | float)):
            raise InputError(f"The duration_seconds of the {_WHOSE} is no number.")
        if isinstance(asked, bool) or not isinstance(asked, int):
            raise InputError(f"The round of the {_WHOSE} is no whole number.")
        return cls(
            video_id=read_id(require(data, "video_id", _WHOSE), "video_id", _WHOSE),
            url=str(require(data, "url", _WHOSE)),
            title=str(data.get("title") or ""),
            time=time,
            youtube_id=data.get("youtube_id") or None,
            source_id=None if source is None else read_id(source, "source_id", _WHOSE),
            duration_seconds=None if duration is None else float(duration),
            published_at=read_time(str(data.get("published_at") or "")),
            round=asked,
        )


def parse_video_discovered(event: CloudEvent | Mapping[str, Any]) -> VideoDiscovered:
    """Return the event of whatever it arrived in; raise InputError when it is another, or a broken one."""
    envelope = open_envelope(event)
    if envelope.event_type != TYPE:
        raise InputError(f"An event of type {envelope.event_type} is no {TYPE}.")
    if envelope.time is None:
        raise InputError(f"The {_WHOSE} has no time.")
    return VideoDiscovered.from_data(envelope.data, envelope.time)
