"""Search in what was said: words, phrases, alternatives, exclusions, by speaker, channel, date and recording."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
from psycopg.rows import DictRow

from sonicgen.domain.transcript import Utterance
from sonicgen.errors import InputError, NotFoundError
from sonicgen.store.database import Connection, Database
from sonicgen.store.statements import load_statements
from sonicgen.store.utterances import utterance

_SQL = load_statements("search")

LONGEST_QUERY_CHARACTERS = 400
# So many matches are ranked against each other: all of a rare word's, the newest of a common word's. 1,000 take 9 ms to
# find and rank (docs/transcripts.md).
WINDOW_MATCHES = 1_000
# A search that has read so many lines says how far it came instead of reading on: 4 µs a line.
MOST_VISITED = 6_000
# What marks a word that was looked for in `Hit.marked`; taken out of the text beforehand.
MARK_START, MARK_STOP = "\x01", "\x02"


@dataclass(frozen=True, slots=True)
class Filters:
    """What a search is limited to.

    `speaker` is a label, a name or a part of one; `channel` an id or a title; `after` and `before` bound when the
    recording was published (or arrived, where that is not known), the first inclusive.
    """

    speaker: str | None = None
    channel: str | None = None
    after: datetime | None = None
    before: datetime | None = None
    video_id: UUID | None = None

    @property
    def limits_recordings(self) -> bool:
        """Whether not every recording is searched."""
        return any(value is not None for value in (self.channel, self.after, self.before, self.video_id))


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ended: the window's number and upper end, and the last line shown of it (None: none yet)."""

    window: int
    ceiling: int
    last: tuple[float, datetime, int] | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """One line that fits; `marked` is its text with what was looked for between MARK_START and MARK_STOP."""

    utterance: Utterance
    position: int
    video_id: UUID
    title: str
    channel_id: str | None
    channel_title: str | None
    happened_at: datetime
    rank: float
    marked: str


@dataclass(frozen=True, slots=True)
class HitPage:
    """Some lines, best first within their window.

    `matches` is how many lines of the window fit; `is_complete` says that there are no others, so that all were ranked
    against each other. `next_cursor` asks for what follows, None when that is nothing.
    """

    hits: list[Hit]
    matches: int
    is_complete: bool
    next_cursor: Cursor | None


def search(
    database: Database, text: str, filters: Filters | None = None, *, limit: int = 20, cursor: Cursor | None = None
) -> HitPage:
    """Return lines that fit what somebody typed.

    Matches are ranked in windows of WINDOW_MATCHES, that of the lines that arrived last first; the cursor leads through
    all of them. A page may hold less than `limit`, or nothing, and have a cursor all the same: that much was looked
    through. Raises InputError for a query that names nothing to look for, NotFoundError for a channel nobody knows.
    """
    filters = filters or Filters()
    with database.transaction() as connection:
        query = _read_query(connection, text)
        videos = _videos(connection, filters)
        ceiling = cursor.ceiling if cursor else _ceiling(connection)
        values = {
            "query": query,
            "videos": videos,
            "speaker": " ".join(filters.speaker.split()) if filters.speaker else None,
            "ceiling": ceiling,
            "window": WINDOW_MATCHES,
            "most_visited": MOST_VISITED,
        }
        found = connection.execute(_SQL["find"], values).fetchone()
        assert found is not None  # noqa: S101 - the function returns one row
        rows = _page(connection, query, found["ids"], cursor.last if cursor else None, limit + 1)
    hits = [_hit(row) for row in rows[:limit]]
    window = cursor.window if cursor else 0
    following: Cursor | None = None
    if len(rows) > limit and hits:
        following = Cursor(window, ceiling, (hits[-1].rank, hits[-1].happened_at, hits[-1].utterance.id or 0))
    elif found["reached"] > 0 and videos != []:
        following = Cursor(window + 1, found["reached"])
    is_complete = window == 0 and (found["reached"] == 0 or videos == [])
    return HitPage(hits, len(found["ids"]), is_complete, following)


def _read_query(connection: Connection, text: str) -> str:
    if len(text) > LONGEST_QUERY_CHARACTERS:
        raise InputError(f"The query has {len(text)} characters; at most {LONGEST_QUERY_CHARACTERS} are looked for.")
    if "\x00" in text:
        raise InputError("The query holds a character that no text has.")
    row = connection.execute(_SQL["read_query"], {"text": text}).fetchone()
    assert row is not None  # noqa: S101 - a select without a table returns one row
    if not row["query"]:
        raise InputError("The query holds no word to look for.")
    if row["needed"] in ("", "T"):
        raise InputError("The query only says what to leave out; name at least one word that is to occur.")
    query: str = row["query"]
    return query


def _videos(connection: Connection, filters: Filters) -> list[UUID] | None:
    if not filters.limits_recordings:
        return None
    channels: list[str] | None = None
    if filters.channel is not None:
        channels = [row["id"] for row in connection.execute(_SQL["channels"], {"channel": filters.channel})]
        if not channels:
            raise NotFoundError(f"No channel has the id or title {filters.channel!r}.")
    values = {
        "video_id": filters.video_id,
        "channels": channels,
        "after": filters.after,
        "before": filters.before,
    }
    return [row["id"] for row in connection.execute(_SQL["videos"], values)]


def _ceiling(connection: Connection) -> int:
    row = connection.execute(_SQL["ceiling"]).fetchone()
    assert row is not None  # noqa: S101 - an aggregate returns one row
    ceiling: int = row["ceiling"]
    return ceiling


def _page(
    connection: Connection, query: str, ids: list[int], last: tuple[float, datetime, int] | None, limit: int
) -> list[DictRow]:
    rank, time, identifier = last or (None, None, None)
    values = {
        "query": query,
        "ids": ids,
        "after_rank": rank,
        "after_time": time,
        "after_id": identifier,
        "limit": limit,
    }
    try:
        return connection.execute(_SQL["page"], values).fetchall()
    except psycopg.errors.NumericValueOutOfRange as error:
        raise InputError("The cursor is none that a page of ours ended with.") from error


def _hit(row: DictRow) -> Hit:
    return Hit(
        utterance=utterance(row),
        position=row["position"],
        video_id=row["video_id"],
        title=row["title"],
        channel_id=row["channel_id"],
        channel_title=row["channel_title"],
        happened_at=row["happened_at"],
        rank=row["rank"],
        marked=row["marked"],
    )
