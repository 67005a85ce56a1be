"""Publish the events that a source's new videos still owe: at least once each, and always after their commit."""

from __future__ import annotations

from uuid import UUID

from sonicgen.cloud.bus import publish_events
from sonicgen.errors import NotFoundError, UnavailableError
from sonicgen.events.video_discovered import VideoDiscovered
from sonicgen.steps.services import Services
from sonicgen.store import items
from sonicgen.store.items import Unannounced

TOPIC = "video-discovered"


def announce_videos(services: Services, source_id: UUID) -> int:
    """Publish what a source owes and return how many events that were.

    A crash between publishing and noting it publishes again, with the same ids. Raises UnavailableError.
    """
    count = 0
    while owed := items.unannounced(services.database, source_id):
        try:
            publish_events(TOPIC, [_event(video, source_id) for video in owed])
        except NotFoundError as error:  # what an operator must repair is no fault of the source
            raise UnavailableError(str(error)) from error
        items.set_announced(services.database, source_id, [video.item for video in owed])
        count += len(owed)
    return count


def _event(video: Unannounced, source_id: UUID) -> VideoDiscovered:
    return VideoDiscovered(
        video_id=video.video_id,
        url=video.url,
        title=video.title,
        time=video.seen_at,
        youtube_id=video.youtube_id,
        source_id=source_id,
        duration_seconds=video.duration_seconds,
        published_at=video.published_at,
    )
