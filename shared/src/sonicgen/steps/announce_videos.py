"""Publish the events that a source's new videos still owe: at least once each, and always after their commit."""

from __future__ import annotations

from uuid import UUID

from sonicgen.cloud.bus import publish_events
from sonicgen.events.video_discovered import VideoDiscovered
from sonicgen.steps.services import Services
from sonicgen.store import items

TOPIC = "video-discovered"


def announce_videos(services: Services, source_id: UUID) -> int:
    """Publish what a source owes and return how many events that were.

    A crash between publishing and noting it publishes again, with the same ids. Raises UnavailableError.
    """
    count = 0
    while owed := items.unannounced(services.database, source_id):
        publish_events(
            TOPIC,
            [
                VideoDiscovered(
                    video_id=video.video_id,
                    url=video.url,
                    title=video.title,
                    time=video.seen_at,
                    youtube_id=video.youtube_id,
                    source_id=source_id,
                    duration_seconds=video.duration_seconds,
                    published_at=video.published_at,
                )
                for video in owed
            ],
        )
        items.set_announced(services.database, source_id, [video.item for video in owed])
        count += len(owed)
    return count
