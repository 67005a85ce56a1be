"""Channels as Postgres keeps them."""

from __future__ import annotations

from dataclasses import dataclass

from sonicgen.store.database import Database
from sonicgen.store.statements import load_statements

_SQL = load_statements("channels")


@dataclass(frozen=True, slots=True)
class Channel:
    """Who publishes."""

    id: str
    title: str


def title_of(database: Database, channel_id: str | None) -> str | None:
    """Return a channel's title, None when there is no such channel."""
    if channel_id is None:
        return None
    row = database.execute(_SQL["title_of"], {"id": channel_id}).fetchone()
    return row["title"] if row is not None else None


def list_all(database: Database, limit: int = 1_000) -> list[Channel]:
    """Return channels by title."""
    return [Channel(row["id"], row["title"]) for row in database.execute(_SQL["list"], {"limit": limit})]
