from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from sonicgen.domain.recording import Recording
from sonicgen.store import recordings
from sonicgen.store.database import Database

Claim = Callable[..., Recording]


@pytest.fixture
def claim(database: Database) -> Claim:
    """Claim a recording; everything about it may be given, nothing must be."""

    def make(recording_id: UUID | None = None, **values: object) -> Recording:
        known: dict[str, object] = {
            "title": "Rain",
            "bucket": "media",
            "object_name": "audio/rain.mp3",
            "generation": 1,
            "size_bytes": 1000,
            "md5": None,
            "content_type": "audio/mpeg",
        }
        return recordings.claim(database, recording_id or uuid4(), **(known | values))  # type: ignore[arg-type]

    return make
