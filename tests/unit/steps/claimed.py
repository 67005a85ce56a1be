"""A recording that a worker has claimed, for tests that store its index themselves."""

from __future__ import annotations

from uuid import UUID, uuid4

from sonicgen.store import recordings
from sonicgen.store.database import Database


def claim_one(database: Database) -> UUID:
    """Claim a new recording and return its id."""
    recording_id = uuid4()
    name = str(recording_id)
    recordings.claim(
        database,
        recording_id,
        title=name,
        bucket="media",
        object_name=name,
        generation=1,
        size_bytes=1,
        md5=None,
        content_type="audio/mpeg",
    )
    return recording_id
