"""Recordings as people look through them: filtered, in the order they want, with what belongs to each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from sonicgen.domain.recording import Recording
from sonicgen.errors import InputError
from sonicgen.store import recordings
from sonicgen.store.database import Database
from sonicgen.store.statements import load_statements

_SQL = load_statements("library")

Order = Literal["newest", "oldest", "title", "longest"]
Kind = Literal["originals", "copies"]


@dataclass(frozen=True, slots=True)
class LibraryFilters:
    """What is looked for; `status` may also be "waiting", `text` is a part of the title."""

    status: str | None = None
    channel: str | None = None
    text: str | None = None
    kind: Kind | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A recording and what belongs to it."""

    recording: Recording
    original_title: str | None
    channel_title: str | None
    transcript_state: str | None
    language: str | None
    copies: int
    speakers: int
    spent: Decimal | None
    saved: Decimal | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class LibraryPage:
    """Some entries; `next_cursor` is the order's key and the id of the last, None at the end."""

    entries: list[Entry]
    next_cursor: tuple[str, UUID] | None


def page(
    database: Database,
    filters: LibraryFilters,
    *,
    order: Order = "newest",
    limit: int = 50,
    cursor: tuple[str, UUID] | None = None,
) -> LibraryPage:
    """Return a page of recordings; raise InputError for a cursor of another order."""
    key, after_id = cursor or (None, None)
    values = {
        "status": filters.status,
        "channel": filters.channel,
        "text": None if filters.text is None else f"%{_literal(filters.text)}%",
        "kind": filters.kind,
        "after_key": None if key is None else _read_key(order, key),
        "after_id": after_id,
        "limit": limit + 1,
    }
    with database.transaction() as connection:
        found = recordings.read_rows(connection.execute(_SQL[order], values).fetchall())
        shown = found[:limit]
        rows = connection.execute(_SQL["details"], {"ids": [recording.id for recording in shown]}).fetchall()
    details = {row.pop("id"): row for row in rows}
    entries = [Entry(recording, **details[recording.id]) for recording in shown if recording.id in details]
    return LibraryPage(entries, _cursor(order, shown[-1]) if len(found) > limit else None)


def _literal(text: str) -> str:
    return text.replace("\x00", "").replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _cursor(order: Order, last: Recording) -> tuple[str, UUID]:
    if order == "title":
        return last.title, last.id
    if order == "longest":
        return repr(-1.0 if last.duration_seconds is None else last.duration_seconds), last.id
    assert last.created_at is not None  # noqa: S101 - it comes from the table
    return last.created_at.isoformat(), last.id


def _read_key(order: Order, key: str) -> object:
    try:
        if order == "title":
            return key.replace("\x00", "")
        return float(key) if order == "longest" else datetime.fromisoformat(key)
    except ValueError as error:
        raise InputError("The cursor is none that a page in this order ended with.") from error
