"""The documented JSON forms."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from sonicgen.domain.recording import MatchStatus, Reason, Recording
from sonicgen.errors import InputError
from sonicgen.steps.representation import read_cursor, recording_json, write_cursor

MOMENT = datetime(2026, 5, 4, 3, 2, 1, 987_654, tzinfo=UTC)


def test_a_cursor_survives_a_url() -> None:
    text = write_cursor((MOMENT, UUID(int=5)))
    assert text is not None
    assert read_cursor(text) == (MOMENT, UUID(int=5))
    assert read_cursor(text.replace("+", " ")) == (MOMENT, UUID(int=5))
    assert write_cursor(None) is None
    assert read_cursor(None) is None


@pytest.mark.parametrize("text", ["", "x", "2026-01-01", "2026-01-01_x", "x_" + str(UUID(int=5))])
def test_a_wrong_cursor_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="cursor"):
        read_cursor(text)


def test_a_discovered_video_has_no_bytes_yet() -> None:
    discovered = Recording(
        id=UUID(int=1), title="a", bucket="", object_name="", generation=0, size_bytes=0, youtube_id="dQw4w9WgXcQ",
        published_uri="https://www.youtube.com/watch?v=dQw4w9WgXcQ", published_at=MOMENT, channel_id="UC1",
    )  # fmt: skip
    form = recording_json(discovered)
    assert form["source_uri"] is None
    assert form["match_status"] is None
    assert form["published_uri"] == "https://www.youtube.com/watch?v=dQw4w9WgXcQ"
    assert form["explanation"] == "Discovered, waiting for its download."


def test_recording_has_the_documented_fields() -> None:
    recording = Recording(
        id=UUID(int=1), title="a", bucket="b", object_name="c/a", generation=1, size_bytes=3,
        match_status=MatchStatus.MATCHED, reason=Reason.DUPLICATE, original_video_id=UUID(int=2), created_at=MOMENT,
    )  # fmt: skip
    form = recording_json(recording)
    assert list(form) == [
        "id", "title", "youtube_id", "source_uri", "published_uri", "published_at", "channel_id", "match_status",
        "reason", "explanation", "duration_seconds", "original_video_id", "quality", "attempts", "created_at",
        "updated_at",
    ]  # fmt: skip
    assert form["source_uri"] == "gs://b/c/a"
    assert form["original_video_id"] == str(UUID(int=2))
    assert form["created_at"] == "2026-05-04T03:02:01.987654+00:00"
