"""What a recording was uploaded as: whether it is still there, and its event made anew.

The event is for work that begins without it.
"""

from __future__ import annotations

from uuid import UUID

from sonicgen.cloud.objects import StoredObject, describe_object
from sonicgen.domain.recording import Recording
from sonicgen.errors import NotFoundError
from sonicgen.events.objects import ObjectFinalized


def upload_of_recording(recording: Recording) -> ObjectFinalized:
    """Return the event of the upload that a recording came with."""
    return ObjectFinalized(
        bucket=recording.bucket,
        name=recording.object_name,
        generation=recording.generation,
        size_bytes=recording.size_bytes,
        md5=recording.content_md5,
        content_type=recording.content_type,
        event_id="",
        video_id=recording.id,
    )


def upload_of_object(stored: StoredObject, event_id: str = "", video_id: UUID | None = None) -> ObjectFinalized:
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


def has_sound(recording: Recording) -> bool:
    """Return whether the bytes that a recording came with can still be read."""
    if not recording.is_stored:
        return False
    try:
        describe_object(recording.bucket, recording.object_name, recording.generation)
    except NotFoundError:
        return False
    return True
