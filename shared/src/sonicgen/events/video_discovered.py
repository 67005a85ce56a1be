"""A source brought a video that was not known: what the download waits for.

The schema is `schemas/video_discovered.v1.json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID

from sonicgen.errors import InputError
from sonicgen.events.envelope import read_id, read_time, require
from sonicgen.events.own import OwnEvent


@dataclass(frozen=True, slots=True)
class VideoDiscovered(OwnEvent):
    """A video is known and its download may begin.

    `round` counts how often it was asked for anew (a retry by hand), so that the ledger lets it in again.
    """

    TYPE = "sonicgen.video.discovered.v1"
    SOURCE = "//sonicgen/channel_ingest"

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
    def told(self) -> str:
        """A video is discovered once, whoever tells of it and how often."""
        return f"{self.video_id}\n{self.round}"

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
            raise InputError(f"The duration_seconds of the {cls.whose()} is no number.")
        if isinstance(asked, bool) or not isinstance(asked, int):
            raise InputError(f"The round of the {cls.whose()} is no whole number.")
        return cls(
            video_id=read_id(require(data, "video_id", cls.whose()), "video_id", cls.whose()),
            url=str(require(data, "url", cls.whose())),
            title=str(data.get("title") or ""),
            time=time,
            youtube_id=data.get("youtube_id") or None,
            source_id=None if source is None else read_id(source, "source_id", cls.whose()),
            duration_seconds=None if duration is None else float(duration),
            published_at=read_time(str(data.get("published_at") or "")),
            round=asked,
        )


parse_video_discovered = VideoDiscovered.parse
