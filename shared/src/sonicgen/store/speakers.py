"""People and groups of unknown voices as Postgres keeps them: names, consent, and who is heard how much."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from psycopg.rows import DictRow

from sonicgen.domain.speaker import Speaker, name_key
from sonicgen.errors import InputError, NotFoundError
from sonicgen.store.database import Connection, Database
from sonicgen.store.statements import load_statements

_SQL = load_statements("speakers")
_NUMBER = re.compile(r"(?:voice\s*)?(\d{1,18})")
_ID_PREFIX = re.compile(r"[0-9a-f]{4,32}")
_ALL = 1_000_000


@dataclass(frozen=True, slots=True)
class Overview:
    """A speaker, and how much of them there is: copies of recordings are not counted."""

    speaker: Speaker
    recordings: int
    voices: int
    seconds: float
    is_enrolled: bool
    has_consent: bool


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person agreed to: `given_by` is who did, `recorded_by` who wrote it down."""

    given_by: str
    purpose: str
    given_at: datetime
    recorded_by: str
    recorded_at: datetime


def lock(connection: Connection) -> None:
    """Let nobody else change whose a voice is until the transaction ends."""
    connection.execute(_SQL["lock"])


def create(connection: Connection, name: str | None = None, speaker_id: UUID | None = None) -> Speaker:
    """Make a person, or without a name a group of unknown voices. The name must be free (`by_name`)."""
    values = {"id": speaker_id or uuid4(), "name": name, "key": None if name is None else name_key(name)}
    row = connection.execute(_SQL["create"], values).fetchone()
    assert row is not None  # noqa: S101 - an insert returns its row
    return _speaker(row)


def find(connection: Connection, speaker_id: UUID) -> Speaker | None:
    """Return a speaker, None when there is none."""
    row = connection.execute(_SQL["get"], {"id": speaker_id}).fetchone()
    return _speaker(row) if row else None


def get(connection: Connection, speaker_id: UUID) -> Speaker:
    """Return a speaker; raise NotFoundError when there is none."""
    found = find(connection, speaker_id)
    if found is None:
        raise NotFoundError(f"There is no speaker {speaker_id}.")
    return found


def by_ids(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, Speaker]:
    """Return those of these speakers that there are."""
    found = connection.execute(_SQL["by_ids"], {"ids": list(ids)})
    return {row["id"]: _speaker(row) for row in found}


def by_name(connection: Connection, name: str) -> Speaker | None:
    """Return who is called so, by name or by another name; case, width and spaces do not count."""
    row = connection.execute(_SQL["by_key"], {"key": name_key(name)}).fetchone()
    return _speaker(row) if row else None


def resolve(connection: Connection, text: str) -> Speaker:
    """Return whom a person means: a name, another name, "voice 12" (or 12), an id or its beginning.

    Raises NotFoundError, InputError when several ids begin so.
    """
    found = by_name(connection, text)
    if found is not None:
        return found
    number = _NUMBER.fullmatch(text.strip().lower())
    if number:
        row = connection.execute(_SQL["by_number"], {"number": int(number[1])}).fetchone()
        if row:
            return _speaker(row)
    prefix = text.strip().lower().replace("-", "")
    if _ID_PREFIX.fullmatch(prefix):
        low, high = UUID(prefix.ljust(32, "0")), UUID(prefix.ljust(32, "f"))
        rows = connection.execute(_SQL["by_id_range"], {"low": low, "high": high}).fetchall()
        if len(rows) > 1:
            raise InputError(f"Several speakers' ids begin with {text}; give more of it.")
        if rows:
            return _speaker(rows[0])
    raise NotFoundError(f"Nobody is called {text!r}; `sonicgen speakers` lists everybody.")


def rename(connection: Connection, speaker_id: UUID, name: str | None) -> Speaker:
    """Give a speaker a name, or take it. The name must be free. Raises NotFoundError."""
    values = {"id": speaker_id, "name": name, "key": None if name is None else name_key(name)}
    row = connection.execute(_SQL["rename"], values).fetchone()
    if row is None:
        raise NotFoundError(f"There is no speaker {speaker_id}.")
    return _speaker(row)


def skip(connection: Connection, speaker_id: UUID) -> None:
    """Put a group at the end of those that wait for a name."""
    connection.execute(_SQL["skip"], {"id": speaker_id})


def delete(connection: Connection, speaker_id: UUID) -> None:
    """Remove a speaker with aliases, consents, enrolments and the rows of the samples."""
    connection.execute(_SQL["delete"], {"id": speaker_id})


def aliases_of(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, list[str]]:
    """Return the other names of speakers."""
    found: dict[UUID, list[str]] = {}
    for row in connection.execute(_SQL["aliases"], {"ids": list(ids)}):
        found.setdefault(row["speaker_id"], []).append(row["alias"])
    return found


def add_alias(connection: Connection, speaker_id: UUID, alias: str) -> None:
    """Give a speaker another name, which must be free or theirs."""
    values = {"key": name_key(alias), "alias": alias, "speaker_id": speaker_id}
    connection.execute(_SQL["add_alias"], values)


def remove_alias(connection: Connection, speaker_id: UUID, alias: str) -> bool:
    """Take another name away; whether it was one."""
    values = {"key": name_key(alias), "speaker_id": speaker_id}
    return connection.execute(_SQL["remove_alias"], values).fetchone() is not None


def move_belongings(connection: Connection, from_id: UUID, to_id: UUID) -> None:
    """Give one speaker's other names, consents, enrolments and samples to another one."""
    connection.execute(_SQL["move_belongings"], {"from": from_id, "to": to_id})


def reject(connection: Connection, speaker_id: UUID, rejected_id: UUID) -> None:
    """Note that a group is not somebody."""
    connection.execute(_SQL["reject"], {"speaker_id": speaker_id, "rejected_id": rejected_id})


def rejected(connection: Connection, speaker_id: UUID) -> set[UUID]:
    """Return whom a group is not, as somebody said."""
    found = connection.execute(_SQL["rejected"], {"speaker_id": speaker_id})
    return {row["rejected_id"] for row in found}


def add_consent(
    connection: Connection, speaker_id: UUID, *, given_by: str, purpose: str, given_at: datetime, recorded_by: str
) -> None:
    """Put on record what a person agreed to."""
    values = {
        "speaker_id": speaker_id,
        "given_by": given_by,
        "purpose": purpose,
        "given_at": given_at,
        "recorded_by": recorded_by,
    }
    connection.execute(_SQL["add_consent"], values)


def consents_of(connection: Connection, speaker_id: UUID) -> list[Consent]:
    """Return what a person agreed to, oldest first."""
    return [Consent(**row) for row in connection.execute(_SQL["consents"], {"speaker_id": speaker_id})]


def overview(connection: Connection, speaker_id: UUID) -> Overview:
    """Return how much there is of one speaker. Raises NotFoundError."""
    values = {"id": speaker_id, "is_known": None, "after": None, "limit": 1}
    row = connection.execute(_SQL["overview"], values).fetchone()
    if row is None:
        raise NotFoundError(f"There is no speaker {speaker_id}.")
    return _overview(row)


def list_page(
    database: Database, *, is_known: bool | None = None, after: str | None = None, limit: int = _ALL
) -> tuple[list[Overview], str | None]:
    """Return speakers by name, groups without one by number; and what to ask for the following page with."""
    values = {"id": None, "is_known": is_known, "after": after, "limit": limit + 1}
    rows = database.execute(_SQL["overview"], values).fetchall()
    page = [_overview(row) for row in rows[:limit]]
    if len(rows) <= limit:
        return page, None
    last = page[-1].speaker
    return page, name_key(last.name) if last.name else f"{last.number:020d}"


def queue(connection: Connection, limit: int) -> list[Overview]:
    """Return the groups that a name would help most: those that say most, skipped ones last."""
    return [_overview(row) for row in connection.execute(_SQL["queue"], {"limit": limit})]


def delete_empty_groups(connection: Connection, *, older_than_seconds: float) -> list[UUID]:
    """Remove groups that every voice has left, unless an undo would need them; return them."""
    found = connection.execute(_SQL["empty_groups"], {"older_than_seconds": older_than_seconds})
    return [row["id"] for row in found]


def _speaker(row: DictRow) -> Speaker:
    values: dict[str, Any] = {name: row[name] for name in Speaker.__dataclass_fields__}
    return Speaker(**values)


def _overview(row: DictRow) -> Overview:
    return Overview(
        _speaker(row), row["recordings"], row["voices"], float(row["seconds"]), row["is_enrolled"], row["has_consent"]
    )
