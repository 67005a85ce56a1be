"""What decisions about speakers replaced: captured before and after, put back by an undo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from sonicgen.errors import InputError, NotFoundError
from sonicgen.store.database import Connection, Database
from sonicgen.store.statements import load_statements

_SQL = load_statements("changes")

Image = Mapping[str, Any]
_PARTS = ("speakers", "aliases", "rejections", "voices", "samples", "consents", "enrolments")


@dataclass(frozen=True, slots=True)
class Change:
    """One change of speakers; `before` and `after` are what there was of all of them."""

    decision_id: UUID
    sequence: int
    kind: str
    speaker_ids: tuple[UUID, ...]
    before: Image
    after: Image
    decided_by: str
    made_at: datetime
    undone_at: datetime | None


def capture(connection: Connection, speaker_ids: Sequence[UUID]) -> Image:
    """Return what there is of some speakers: names, voices, samples, consents."""
    row = connection.execute(_SQL["capture"], {"ids": list(speaker_ids)}).fetchone()
    assert row is not None  # noqa: S101 - it is one row
    image: Image = row["image"]
    return image


def record(
    connection: Connection, decision_id: UUID, kind: str, speaker_ids: Sequence[UUID], before: Image, after: Image
) -> None:
    """Keep what a decision replaced."""
    values = {
        "decision_id": decision_id,
        "kind": kind,
        "speaker_ids": list(speaker_ids),
        "before": Jsonb(before),
        "after": Jsonb(after),
    }
    connection.execute(_SQL["record"], values)


def get(connection: Connection, decision_id: UUID) -> Change:
    """Return a change; raise NotFoundError when there is none."""
    row = connection.execute(_SQL["get"], {"decision_id": decision_id}).fetchone()
    if row is None:
        raise NotFoundError(f"There is no change {decision_id} of speakers.")
    return _change(row)


def latest(connection: Connection, speaker_id: UUID | None = None) -> Change | None:
    """Return the latest change that stands, of one speaker or of all."""
    row = connection.execute(_SQL["latest"], {"speaker_id": speaker_id}).fetchone()
    return _change(row) if row else None


def later(connection: Connection, change: Change) -> UUID | None:
    """Return the decision that changed some of the same speakers since, None when nothing is in an undo's way."""
    values = {"sequence": change.sequence, "speaker_ids": list(change.speaker_ids)}
    row = connection.execute(_SQL["later"], values).fetchone()
    return row["decision_id"] if row else None


def history(database: Database, speaker_id: UUID | None = None, limit: int = 50) -> list[Change]:
    """Return changes, newest first."""
    values = {"speaker_id": speaker_id, "limit": limit}
    return [_change(row) for row in database.execute(_SQL["history"], values)]


def restore(connection: Connection, change: Change) -> None:
    """Put back what there was before a change; voices that came since stay with whoever is left.

    Raises InputError when somebody else has one of the names by now.
    """
    ids = list(change.speaker_ids)
    image = {"image": Jsonb(change.before)}
    taken = connection.execute(_SQL["taken_names"], {**image, "ids": ids}).fetchone()
    if taken is not None:
        raise InputError(f"Somebody else is called {taken['name']!r} by now; rename them, then undo again.")
    before = {UUID(each["id"]) for each in change.before["speakers"]}
    connection.execute(_SQL["free_names"], {"ids": ids})
    connection.execute(_SQL["clear_aliases"], {"ids": ids})
    connection.execute(_SQL["clear_rejections"], {"ids": ids})
    for part in _PARTS:
        connection.execute(_SQL[f"put_{part}"], image)
    gone = [each for each in ids if each not in before]
    kept = [UUID(each["id"]) for each in change.before["voices"]]
    if gone and before:
        home = next(each for each in ids if each in before)
        connection.execute(_SQL["move_newcomers"], {"from": gone, "to": home, "kept": kept})
    connection.execute(_SQL["delete_speakers"], {"ids": gone})


def _change(row: DictRow) -> Change:
    return Change(**{**row, "speaker_ids": tuple(row["speaker_ids"])})
