"""People with a name, and how many files they were enrolled with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sonicgen.store.database import Connection
from sonicgen.store.statements import load_statements

_SQL = load_statements("people")


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One person."""

    id: UUID
    created_at: datetime
    samples: int


def page(connection: Connection, *, offset: int, limit: int) -> tuple[list[PersonRow], int]:
    """Return some people in the order of their names, and how many there are."""
    rows = connection.execute(_SQL["page"], {"id": None, "offset": offset, "limit": limit}).fetchall()
    counted = connection.execute(_SQL["count"]).fetchone()
    assert counted is not None  # noqa: S101 - an aggregate returns one row
    return [PersonRow(row["id"], row["created_at"], row["samples"]) for row in rows], counted["total"]


def find(connection: Connection, speaker_id: UUID) -> PersonRow | None:
    """Return one person, None when nobody with a name has the id."""
    row = connection.execute(_SQL["page"], {"id": speaker_id, "offset": 0, "limit": 1}).fetchone()
    return PersonRow(row["id"], row["created_at"], row["samples"]) if row is not None else None
