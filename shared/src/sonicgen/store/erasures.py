"""Erasure: removing what is kept of a person, and looking for what is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg.types.json import Jsonb

from sonicgen.store.database import Connection
from sonicgen.store.statements import load_statements

_SQL = load_statements("erasures")


@dataclass(frozen=True, slots=True)
class ForgottenClips:
    """The objects and vectors of the clips whose rows were removed."""

    objects: tuple[str, ...]
    voiceprint_ids: tuple[UUID, ...]


def forget_clips(connection: Connection, speaker_id: UUID) -> ForgottenClips:
    """Remove the rows of a person's clips and samples; objects and vectors are the caller's."""
    rows = connection.execute(_SQL["forget_clips"], {"speaker_id": speaker_id}).fetchall()
    ids = (each for row in rows for each in row["voiceprint_ids"])
    return ForgottenClips(tuple(row["object_name"] for row in rows), tuple(ids))


def forget_names(connection: Connection, names: Sequence[str]) -> int:
    """Remove names that somebody wrote into lines by hand, and from the record of edits; return in how many recordings.

    Names are lower case.
    """
    values = {"names": list(names)}
    connection.execute(_SQL["forget_edits"], values)
    return len(connection.execute(_SQL["forget_hand_made_names"], values).fetchall())


def former_ids(connection: Connection, speaker_id: UUID) -> list[UUID]:
    """Return the ids of those who were merged into a person."""
    return [row["id"] for row in connection.execute(_SQL["former_ids"], {"speaker_id": speaker_id})]


def forget_records(connection: Connection, ids: Sequence[UUID], names: Sequence[str]) -> int:
    """Remove the record of enrolments and decisions about a person; return how many decisions these were.

    `ids` are the person's, the present one first.
    """
    values = {"speaker_id": ids[0], "ids": list(ids), "names": list(names)}
    connection.execute(_SQL["forget_enrolments"], values)
    return connection.execute(_SQL["forget_decisions"], values).rowcount


def record(connection: Connection, *, by: str, removed: Mapping[str, int], objects: Sequence[str]) -> UUID:
    """Put on record that somebody was forgotten, without who; `objects` are still to be removed from the bucket."""
    values = {"by": by, "removed": Jsonb(dict(removed)), "objects": list(objects)}
    row = connection.execute(_SQL["record"], values).fetchone()
    assert row is not None  # noqa: S101 - an insert returns its row
    identifier: UUID = row["id"]
    return identifier


def unfinished(connection: Connection, limit: int) -> dict[UUID, list[str]]:
    """Return erasures that have objects left in the bucket."""
    return {row["id"]: row["objects"] for row in connection.execute(_SQL["unfinished"], {"limit": limit})}


def objects_removed(connection: Connection, erasure_id: UUID) -> None:
    """Note that an erasure's objects are gone."""
    connection.execute(_SQL["objects_removed"], {"id": erasure_id})


def traces(connection: Connection, speaker_id: UUID, names: Sequence[str]) -> dict[str, int]:
    """Return how often a person's id or names still stand in the database, by column."""
    values = {"speaker_id": speaker_id, "names": list(names)}
    return {row["place"]: row["hits"] for row in connection.execute(_SQL["traces"], values)}


def mentions(connection: Connection, names: Sequence[str]) -> dict[str, int]:
    """Return how many lines say a name and how many recordings are called by it: these are not removed."""
    escaped = [name.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") for name in names]
    row = connection.execute(_SQL["mentions"], {"patterns": [f"%{name}%" for name in escaped]}).fetchone()
    assert row is not None  # noqa: S101 - it is one row
    return dict(row)
