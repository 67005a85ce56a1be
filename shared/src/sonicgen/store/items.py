"""What sources brought: added once, known again, announced after their commit."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.types.json import Jsonb

from sonicgen.domain.filters import Candidate, FilteredBy
from sonicgen.store.database import Connection, Database
from sonicgen.store.statements import load_statements

_SQL = load_statements("items")

# Rows in one statement; more would hold the locks on `videos` for longer than a page's worth.
BATCH = 500


@dataclass(frozen=True, slots=True)
class Publisher:
    """A channel, as far as a source tells of it."""

    id: str
    title: str
    handle: str | None = None
    uploads_playlist_id: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """A candidate with its verdict; `channel_id` is that of a channel that was added before."""

    candidate: Candidate
    filtered_by: FilteredBy | None = None
    channel_id: str | None = None


@dataclass(frozen=True, slots=True)
class Added:
    """How many items became videos, were known already, or were left out."""

    new: int = 0
    known: int = 0
    filtered: int = 0


@dataclass(frozen=True, slots=True)
class Unannounced:
    """A video that still owes its event, and the item by which its source names it."""

    item: str
    video_id: UUID
    url: str
    youtube_id: str | None
    title: str
    duration_seconds: float | None
    published_at: datetime | None
    seen_at: datetime


def add_channels(connection: Connection, channels: Sequence[Publisher]) -> None:
    """Add channels or renew what is known of them."""
    if channels:
        rows = [
            {
                "id": channel.id,
                "title": channel.title,
                "handle": channel.handle,
                "uploads_playlist_id": channel.uploads_playlist_id,
            }
            for channel in sorted({channel.id: channel for channel in channels}.values(), key=lambda each: each.id)
        ]
        connection.execute(_SQL["upsert_channels"], {"channels": Jsonb(rows)})


def add(connection: Connection, source_id: UUID, items: Sequence[Item]) -> Added:
    """Add what a source brought, each item and each video once; those that a source named before are left as they are.

    New videos owe an event from this transaction on: `unannounced`.
    """
    outcomes: list[str] = []
    unique = _unique(items)
    for start in range(0, len(unique), BATCH):
        values = {"id": source_id, "items": Jsonb([_row(item) for item in unique[start : start + BATCH]])}
        outcomes += [row["outcome"] for row in connection.execute(_SQL["add_items"], values).fetchall()]
    return Added(outcomes.count("new"), outcomes.count("known"), outcomes.count("filtered"))


def known(database: Database, source_id: UUID, items: Collection[str]) -> dict[str, bool]:
    """Return which items a source has brought before, and of each whether nobody could see it then."""
    rows = database.execute(_SQL["known_items"], {"id": source_id, "items": list(items)}).fetchall()
    return {row["item"]: row["reason"] == FilteredBy.UNAVAILABLE for row in rows}


def count_selected(database: Database, source_id: UUID) -> int:
    """Return how many of a source's items passed its filters."""
    row = database.execute(_SQL["count_selected"], {"id": source_id}).fetchone()
    return int(row["count"]) if row else 0


def unannounced(database: Database, source_id: UUID, limit: int = BATCH) -> list[Unannounced]:
    """Return a source's videos whose event was not (surely) published, the earliest first."""
    rows = database.execute(_SQL["unannounced"], {"id": source_id, "limit": limit}).fetchall()
    return [
        Unannounced(
            item=row["item"],
            video_id=row["id"],
            url=row["url"],
            youtube_id=row["youtube_id"],
            title=row["title"],
            duration_seconds=row["duration_seconds"],
            published_at=row["published_at"],
            seen_at=row["seen_at"],
        )
        for row in rows
    ]


def set_announced(database: Database, source_id: UUID, items: Collection[str]) -> None:
    """Note that the events of these items are safe in Pub/Sub."""
    database.execute(_SQL["set_announced"], {"id": source_id, "items": list(items)})


def sources_with_unannounced(database: Database, older_than_seconds: float, limit: int) -> list[UUID]:
    """Return sources that have owed events for this long."""
    values = {"older_than_seconds": older_than_seconds, "limit": limit}
    return [row["id"] for row in database.execute(_SQL["with_unannounced"], values).fetchall()]


def _unique(items: Sequence[Item]) -> list[Item]:
    """Leave out what a page names twice, by name or by video; in the order of ids, in which all take their locks."""
    by_name = {item.candidate.item: item for item in reversed(items)}
    by_video = {item.candidate.video_id: item for item in by_name.values()}
    return sorted(by_video.values(), key=lambda item: item.candidate.video_id)


def _row(item: Item) -> dict[str, object]:
    candidate = item.candidate
    return {
        "item": candidate.item,
        "filtered_by": None if item.filtered_by is None else str(item.filtered_by),
        "id": str(candidate.video_id),
        "youtube_id": candidate.youtube_id,
        "channel_id": item.channel_id,
        "title": _clean(candidate.title),
        "description": None if candidate.description is None else _clean(candidate.description),
        "published_at": None if candidate.published_at is None else candidate.published_at.isoformat(),
        "duration_seconds": candidate.duration_seconds,
        "url": candidate.url,
    }


def _clean(text: str) -> str:
    return text.replace("\x00", "")  # which Postgres has no text for
