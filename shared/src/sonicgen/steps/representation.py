"""The documented JSON forms (docs/api.md), the same for the command, the page and the API."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sonicgen.domain.download import Download
from sonicgen.domain.platform import site_name
from sonicgen.domain.recording import Recording
from sonicgen.errors import InputError


def recording_json(recording: Recording) -> dict[str, object]:
    """Return the documented JSON form of a recording (docs/api.md)."""
    return {
        "id": str(recording.id),
        "title": recording.title,
        "youtube_id": recording.youtube_id,
        "source_uri": recording.source_uri,
        "published_uri": recording.published_uri,
        "published_at": recording.published_at.isoformat() if recording.published_at else None,
        "channel_id": recording.channel_id,
        "match_status": recording.match_status,
        "reason": recording.reason,
        "explanation": recording.explain(),
        "duration_seconds": recording.duration_seconds,
        "original_video_id": str(recording.original_video_id) if recording.original_video_id else None,
        "quality": recording.quality.to_json() if recording.quality else None,
        "attempts": recording.attempts,
        "created_at": recording.created_at.isoformat() if recording.created_at else None,
        "updated_at": recording.updated_at.isoformat() if recording.updated_at else None,
    }


def download_json(download: Download | None) -> dict[str, object]:
    """Return the documented JSON form of a recording's download, null for what was uploaded by hand (docs/api.md)."""
    if download is None:
        return {"download": None}
    told: dict[str, object] = {
        "url": download.url,
        "state": download.state,
        "reason": download.reason,
        "explanation": download.explain(site_name(download.url)),
        "attempts": download.attempts,
        "next_attempt_at": download.next_attempt_at.isoformat() if download.next_attempt_at else None,
        "bytes": download.bytes,
    }
    return {"download": told}


def write_cursor(cursor: tuple[datetime, UUID] | None) -> str | None:
    """Return a page's end as text for a URL."""
    return f"{cursor[0].isoformat()}_{cursor[1]}" if cursor else None


def read_cursor(text: str | None) -> tuple[datetime, UUID] | None:
    """Return what `write_cursor` wrote.

    Raises InputError for anything else.
    """
    if text is None:
        return None
    moment, _, identifier = text.partition("_")
    try:
        # A plus sign in a URL arrives as a space.
        return datetime.fromisoformat(moment.replace(" ", "+")), UUID(identifier)
    except ValueError as error:
        raise InputError("The cursor is none that a page of ours ended with.") from error
