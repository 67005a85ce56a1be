"""Sources as Postgres keeps them: begun, moved on page by page, ended, watched."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from sonicgen.domain.filters import Filters
from sonicgen.domain.source import Source, SourceKind, SourceReason, SourceState, source_id
from sonicgen.errors import ConflictError, InputError, NotFoundError, SupersededError
from sonicgen.store.database import Connection, Database
from sonicgen.store.statements import load_statements

_SQL = load_statements("sources")
_FIELDS = tuple(field.name for field in fields(Source))
_ID_PREFIX = re.compile(r"[0-9a-f]{1,32}")
_SHOWN_WHEN_AMBIGUOUS = 5


@dataclass(frozen=True, slots=True)
class Begun:
    """A reading that may begin; `is_old` when it goes on with a page that was left long ago."""

    source: Source
    is_old: bool


def begin(
    database: Database,
    kind: SourceKind,
    address: str,
    *,
    filters: Filters | None = None,
    watch: bool = False,
    poll_every_seconds: int | None = None,
    default_poll_seconds: int = 3600,
) -> Begun:
    """Take a source in hand: make its row if there is none, and go on where its last reading ended.

    A reading that is under way is superseded: its next page is refused. Other filters than before begin anew; None
    keeps those that the source has. A channel that is known under another address is read there.
    """
    identifier = source_id(kind, address)
    values = {
        "id": identifier,
        "kind": str(kind),
        "address": address,
        "filters": Jsonb((filters or Filters()).to_json()),
        "poll_every_seconds": poll_every_seconds or default_poll_seconds,
    }
    with database.transaction() as connection:
        connection.execute(_SQL["ensure"], values)
        row = connection.execute(_SQL["lock"], {"id": identifier}).fetchone()
        if row is not None and row["same_as"] is not None:
            row = connection.execute(_SQL["lock"], {"id": row["same_as"]}).fetchone()
        if row is None:
            raise ConflictError(f"The source {address} was forgotten meanwhile; try again.")
        return _begin(connection, row, filters, watch, poll_every_seconds)


def begin_again(database: Database, identifier: UUID) -> Begun:
    """Go on with a known source as it stands. Raises NotFoundError, SupersededError when it was stopped meanwhile."""
    with database.transaction() as connection:
        row = connection.execute(_SQL["lock"], {"id": identifier}).fetchone()
        if row is None:
            raise _not_found(identifier)
        if row["reason"] in (SourceReason.STOPPED, SourceReason.SAME_AS):
            raise SupersededError(f"The source {row['address']} was stopped.")
        return _begin(connection, row, None, watch=False, poll_every_seconds=None)


def _begin(
    connection: Connection, row: DictRow, filters: Filters | None, watch: bool, poll_every_seconds: int | None
) -> Begun:
    before = Filters.from_json(row["filters"])
    wanted = before if filters is None else filters
    anew = wanted != before
    if anew:
        connection.execute(_SQL["forget_filtered"], {"id": row["id"]})
    values = {
        "id": row["id"],
        "filters": Jsonb(wanted.to_json()),
        "watch": watch,
        "poll_every_seconds": poll_every_seconds,
        "anew": anew,
    }
    begun = _source(_one(connection.execute(_SQL["begin"], values).fetchone(), row["id"]))
    return Begun(begun, is_old=bool(row["is_old"]) and begun.page_token is not None)


def set_identity(
    connection: Connection,
    source: Source,
    *,
    channel_id: str | None = None,
    title: str | None = None,
    uploads_playlist_id: str | None = None,
) -> Source:
    """Keep what was found out about a source; what is None stays. Raises SupersededError when another has begun."""
    values = {
        "id": source.id,
        "read_number": source.read_number,
        "channel_id": channel_id,
        "title": title,
        "uploads_playlist_id": uploads_playlist_id,
    }
    return _newest(connection.execute(_SQL["set_identity"], values).fetchone(), source)


def find_by_channel(connection: Connection, channel_id: str, *, not_id: UUID) -> Source | None:
    """Return the source under which a channel is read, None when it is read under no other than `not_id`."""
    row = connection.execute(_SQL["find_by_channel"], {"channel_id": channel_id, "not_id": not_id}).fetchone()
    return None if row is None else _source(row)


def set_same_as(connection: Connection, source: Source, other: Source, title: str) -> None:
    """Let a source be another one under another address: from now on it is read there."""
    values = {"id": source.id, "same_as": other.id, "channel_id": other.channel_id, "title": title}
    connection.execute(_SQL["set_same_as"], values)


def move_on(
    connection: Connection,
    source: Source,
    *,
    page_token: str | None,
    last_seen: Mapping[str, str] | None = None,
    oldest_taken_at: datetime | None = None,
    discovered: int = 0,
    taken: int = 0,
    filtered: int = 0,
    pages: int = 1,
    units: int = 0,
) -> Source:
    """Count a page and keep the token of the next. Raises SupersededError when another reading has begun."""
    values = {
        "id": source.id,
        "read_number": source.read_number,
        "page_token": page_token,
        "last_seen": Jsonb(dict(last_seen or {})),
        "oldest_taken_at": oldest_taken_at,
        "discovered": discovered,
        "taken": taken,
        "filtered": filtered,
        "pages": pages,
        "units": units,
    }
    return _newest(connection.execute(_SQL["move_on"], values).fetchone(), source)


def add_counts(
    connection: Connection, source: Source, *, discovered: int, taken: int, filtered: int, units: int
) -> None:
    """Count what came otherwise than by reading pages."""
    values = {"id": source.id, "discovered": discovered, "taken": taken, "filtered": filtered, "units": units}
    connection.execute(_SQL["add_counts"], values)


def look_again(database: Database, identifier: UUID, at: datetime) -> None:
    """Let a watched source be looked at next at this time."""
    database.execute(_SQL["look_again"], {"id": identifier, "at": at})


def finish(database: Database, source: Source, last_seen: Mapping[str, str] | None = None, units: int = 0) -> Source:
    """End a reading that came to its end. Raises SupersededError when another has begun."""
    values = {**_which(source), "last_seen": Jsonb(dict(last_seen or {})), "units": units}
    return _newest(database.execute(_SQL["finish"], values).fetchone(), source)


def fail(database: Database, source: Source, reason: SourceReason, detail: str | None, units: int = 0) -> Source:
    """End a reading that cannot go on. Raises SupersededError when another has begun."""
    values = {**_which(source), "reason": str(reason), "detail": detail, "units": units}
    return _newest(database.execute(_SQL["fail"], values).fetchone(), source)


def pause(database: Database, source: Source, until: datetime, detail: str | None, units: int = 0) -> Source:
    """Let a reading rest until the day's units are given anew. Raises SupersededError when another has begun."""
    values = {**_which(source), "until": until, "detail": detail, "units": units}
    return _newest(database.execute(_SQL["pause"], values).fetchone(), source)


def note(database: Database, source: Source, detail: str, units: int = 0) -> None:
    """Say what holds a reading up, for those who look at it meanwhile."""
    database.execute(_SQL["note"], {**_which(source), "detail": detail, "units": units})


def stop(database: Database, identifier: UUID) -> Source:
    """End the reading and the watching of a source. Raises NotFoundError."""
    return _source(_one(database.execute(_SQL["stop"], {"id": identifier}).fetchone(), identifier))


def get(database: Database, identifier: UUID) -> Source:
    """Return one source. Raises NotFoundError."""
    return _source(_one(database.execute(_SQL["get"], {"id": identifier}).fetchone(), identifier))


def find(database: Database, identifier: UUID) -> Source | None:
    """Return one source, None when it is not known."""
    row = database.execute(_SQL["get"], {"id": identifier}).fetchone()
    return None if row is None else _source(row)


def get_by_prefix(database: Database, text: str) -> Source:
    """Return the one source that a person means: its address or the beginning of its id.

    Raises NotFoundError when there is none, InputError naming some of them when there are several.
    """
    text = text.strip()
    limit = {"limit": _SHOWN_WHEN_AMBIGUOUS}
    with database.transaction() as connection:
        rows = connection.execute(_SQL["find_by_address"], {"address": text, **limit}).fetchall()
        digits = text.lower().replace("-", "")
        if not rows and _ID_PREFIX.fullmatch(digits):
            bounds = {"low": UUID(digits.ljust(32, "0")), "high": UUID(digits.ljust(32, "f"))}
            rows = connection.execute(_SQL["find_by_id_range"], {**bounds, **limit}).fetchall()
    if not rows:
        raise NotFoundError(f"No source has the id or address {text!r}; `sonicgen sources` lists them.")
    if len(rows) > 1:
        named = ", ".join(f"{row['id']} ({row['address']})" for row in rows)
        raise InputError(f"{text!r} fits several sources, name one by its id: {named}.")
    return _source(rows[0])


def list_all(database: Database, limit: int = 1000) -> list[Source]:
    """Return sources, newest first."""
    return [_source(row) for row in database.execute(_SQL["list"], {"limit": limit}).fetchall()]


def take_due(database: Database, limit: int, at: datetime | None = None) -> list[tuple[Source, datetime]]:
    """Return the sources that are to be looked at by now, each to one caller only, and since when they are due."""
    rows = database.execute(_SQL["take_due"], {"limit": limit, "at": at}).fetchall()
    return [(_source(row), row["due_at"]) for row in rows]


def ask_websub(database: Database, identifier: UUID, hub: str, topic: str, secret: str) -> Source:
    """Note that a hub is asked for pushes; the secret is kept when there is one already. Raises NotFoundError."""
    values = {"id": identifier, "hub": hub, "topic": topic, "secret": secret}
    return _source(_one(database.execute(_SQL["ask_websub"], values).fetchone(), identifier))


def set_websub(database: Database, identifier: UUID, state: str, expires_at: datetime | None) -> Source:
    """Keep how a hub's subscription stands. Raises NotFoundError."""
    values = {"id": identifier, "state": state, "expires_at": expires_at}
    return _source(_one(database.execute(_SQL["set_websub"], values).fetchone(), identifier))


def websub_due(database: Database, limit: int) -> list[Source]:
    """Return watched sources whose subscription is to be renewed."""
    return [_source(row) for row in database.execute(_SQL["websub_due"], {"limit": limit}).fetchall()]


def _which(source: Source) -> dict[str, object]:
    return {"id": source.id, "read_number": source.read_number}


def _newest(row: DictRow | None, source: Source) -> Source:
    if row is None:
        raise SupersededError(f"Another reading of {source.address} has begun or it was stopped; this one ends.")
    return _source(row)


def _one(row: DictRow | None, identifier: UUID) -> DictRow:
    if row is None:
        raise _not_found(identifier)
    return row


def _not_found(identifier: UUID) -> NotFoundError:
    return NotFoundError(f"There is no source {identifier}.")


def _source(row: DictRow) -> Source:
    values: dict[str, Any] = {name: row[name] for name in _FIELDS}
    return Source(
        **{
            **values,
            "kind": SourceKind(row["kind"]),
            "state": SourceState(row["state"]),
            "reason": None if row["reason"] is None else SourceReason(row["reason"]),
            "filters": Filters.from_json(row["filters"]),
        }
    )
