"""An object in a bucket as the event that told of its upload, for whoever brings it in without that event."""

from __future__ import annotations

from uuid import UUID

from sonicgen.cloud.objects import StoredObject
from sonicgen.events.objects import ObjectFinalized


def upload_of(stored: StoredObject, event_id: str = "", video_id: UUID | None = None) -> ObjectFinalized:
    """Return the event of an object that is there; `video_id` is the recording that it was downloaded for."""
    return ObjectFinalized(
        bucket=stored.bucket,
        name=stored.name,
        generation=stored.generation,
        size_bytes=stored.size_bytes,
        md5=stored.md5,
        content_type=stored.content_type,
        event_id=event_id,
        video_id=video_id,
    )
