"""Downloads as Postgres keeps them: begun, stored, ended with a reason, taken up again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from psycopg.rows import DictRow

from sonicgen.domain.download import Download, DownloadReason, DownloadState, Fate, Media
from sonicgen.errors import NotFoundError
from sonicgen.store.database import Database
from sonicgen.store.statements import load_statements

_SQL = load_statements("downloads")
_FIELDS = tuple(field.name for field in fields(Download))


@dataclass(frozen=True, slots=True)
class Queued:
    """A download that is to be asked for, with what its event tells of the video."""

    download: Download
    title: str
    youtube_id: str | None
    duration_seconds: float | None
    published_at: datetime | None


def add_video(database: Database, video_id: UUID, *, url: str, youtube_id: str | None) -> None:
    """Make a video's row if there is none; its title is its link until more is known."""
    values = {"id": video_id, "youtube_id": youtube_id, "title": url, "url": url}
    database.execute(_SQL["add_video"], values)


def ensure(
    database: Database, video_id: UUID, *, url: str, address_host: str, source_id: UUID | None = None
) -> Download:
    """Return a video's download, made if there is none. Raises NotFoundError when the video was forgotten."""
    values = {"video_id": video_id, "url": url, "address_host": address_host, "source_id": source_id}
    row = database.execute(_SQL["ensure"], values).fetchone()
    return _download(row, video_id)


def start(database: Database, video_id: UUID) -> Download | None:
    """Set a download to running and count the attempt; None when it is stored already."""
    row = database.execute(_SQL["start"], {"video_id": video_id}).fetchone()
    return _download(row, video_id) if row is not None else None


def store(
    database: Database,
    video_id: UUID,
    reason: DownloadReason,
    *,
    object_name: str,
    size_bytes: int,
    media: Media | None = None,
) -> Download:
    """Set a download to stored, and write what was learned about the video where nothing better is known."""
    values = {"video_id": video_id, "reason": str(reason), "object_name": object_name, "bytes": size_bytes}
    with database.transaction() as connection:
        row = connection.execute(_SQL["store"], values).fetchone()
        if media is not None:
            described = {
                "title": media.title,
                "duration_seconds": media.duration_seconds,
                "published_at": media.published_at,
            }
            connection.execute(_SQL["describe"], {"video_id": video_id, **described})
    return _download(row, video_id)


def end(
    database: Database, video_id: UUID, fate: Fate, reason: DownloadReason, detail: str | None, failures: int
) -> Download:
    """Write what became of a download that did not succeed. Raises NotFoundError when it was forgotten."""
    values = {
        "video_id": video_id,
        "state": str(fate.state),
        "reason": str(reason),
        "detail": detail,
        "failures": failures,
        "next_attempt_at": fate.next_attempt_at,
    }
    row = database.execute(_SQL["end"], values).fetchone()
    return _download(row, video_id)


def hand_over(database: Database, video_id: UUID) -> Download:
    """Note that a job of its own goes on with a download."""
    row = database.execute(_SQL["hand_over"], {"video_id": video_id}).fetchone()
    return _download(row, video_id)


def find(database: Database, video_id: UUID) -> Download | None:
    """Return a video's download, None when it has none (it was uploaded by hand, or its event is still under way)."""
    row = database.execute(_SQL["get"], {"video_id": video_id}).fetchone()
    return _download(row, video_id) if row is not None else None


def of_videos(database: Database, video_ids: Collection[UUID]) -> dict[UUID, Download]:
    """Return the downloads of these videos; those that have none are not among them."""
    rows = database.execute(_SQL["of_videos"], {"video_ids": list(video_ids)}).fetchall()
    return {row["video_id"]: _download(row, row["video_id"]) for row in rows}


def get_queued(database: Database, video_id: UUID) -> Queued:
    """Return a download with what its event tells. Raises NotFoundError."""
    row = database.execute(_SQL["with_video"], {"video_id": video_id}).fetchone()
    if row is None:
        raise _not_found(video_id)
    return _queued(row)


def take_due(database: Database, at: datetime, lost_before: datetime, limit: int) -> list[Queued]:
    """Queue what waits no longer, and what nobody has moved since `lost_before`; each in a new round."""
    values = {"at": at, "lost_before": lost_before, "limit": limit}
    return [_queued(row) for row in database.execute(_SQL["take_due"], values).fetchall()]


def take_failed(
    database: Database, states: Collection[DownloadState], reason: DownloadReason | None, limit: int
) -> list[Queued]:
    """Queue downloads in these states, all or those with one reason, as if they had never failed."""
    values = {"states": [str(state) for state in states], "reason": reason and str(reason), "limit": limit}
    return [_queued(row) for row in database.execute(_SQL["take_failed"], values).fetchall()]


def take_one(database: Database, video_id: UUID) -> Queued | None:
    """Queue one download that failed or waits, as if it had never failed; None when it is in another state."""
    row = database.execute(_SQL["take_one"], {"video_id": video_id}).fetchone()
    return _queued(row) if row is not None else None


def counts(database: Database) -> list[tuple[DownloadState, DownloadReason | None, int]]:
    """Return how many downloads are in each state for each reason."""
    rows = database.execute(_SQL["counts"]).fetchall()
    return [(DownloadState(row["state"]), _reason(row["reason"]), row["count"]) for row in rows]


def _queued(row: DictRow) -> Queued:
    return Queued(
        _download(row, row["video_id"]), row["title"], row["youtube_id"], row["duration_seconds"], row["published_at"]
    )


def _download(row: DictRow | None, video_id: UUID) -> Download:
    if row is None:
        raise _not_found(video_id)
    values = {name: row[name] for name in _FIELDS}
    return Download(**values | {"state": DownloadState(row["state"]), "reason": _reason(row["reason"])})


def _reason(value: str | None) -> DownloadReason | None:
    return None if value is None else DownloadReason(value)


def _not_found(video_id: UUID) -> NotFoundError:
    return NotFoundError(f"There is no video {video_id} to download; it was forgotten.")
