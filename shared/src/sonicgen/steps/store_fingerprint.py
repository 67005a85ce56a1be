"""A recording's fingerprint enters the index."""

from __future__ import annotations

from uuid import UUID

from sonicgen.sound.landmarks import index_landmarks
from sonicgen.sound.peaks import Peaks
from sonicgen.steps.pack_index import pack_directly
from sonicgen.steps.search_index import packed_segments
from sonicgen.store import postings
from sonicgen.store.database import Connection


def store_fingerprint(connection: Connection, recording_id: UUID, peaks: Peaks, version: int, seconds: float) -> int:
    """Put a recording into the index in the caller's transaction, replacing what it had there; return its new number.

    Long ones are packed at once, if nothing is in the way. Raises what sonicgen.store.postings.enter raises.
    """
    keys, frames = postings.unique_landmarks(*index_landmarks(peaks))
    number = postings.enter(connection, recording_id, packed_segments(peaks), version)
    if not pack_directly(connection, number, keys, frames, seconds):
        postings.add_rows(connection, number, keys, frames)
    return number
