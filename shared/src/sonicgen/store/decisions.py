"""The record of decisions: who or what decided, about what, with which thresholds; each can be undone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from sonicgen.errors import NotFoundError
from sonicgen.store.database import Connection, Database
from sonicgen.store.statements import load_statements

_SQL = load_statements("decisions")


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """One decision; `subject_ids` are what it was about (the first) and what it referred to."""

    id: UUID
    kind: str
    subject_ids: tuple[UUID, ...]
    decided_by: str
    thresholds: Mapping[str, object]
    made_at: datetime
    undone_at: datetime | None


def record(
    connection: Connection,
    kind: str,
    subject_ids: Sequence[UUID],
    *,
    decided_by: str,
    thresholds: Mapping[str, object],
) -> StoredDecision:
    """Put a decision on record in the transaction that carries it out."""
    values = {
        "kind": kind,
        "subject_ids": list(subject_ids),
        "decided_by": decided_by,
        "thresholds": Jsonb(dict(thresholds)),
    }
    row = connection.execute(_SQL["record"], values).fetchone()
    assert row is not None  # noqa: S101 - an insert returns its row
    return _decision(row)


def undo(connection: Connection, decision_id: UUID) -> StoredDecision:
    """Mark a decision as undone, in the transaction that takes it back; undone twice, the first time counts.

    Raises NotFoundError.
    """
    row = connection.execute(_SQL["undo"], {"id": decision_id}).fetchone()
    if row is None:
        raise NotFoundError(f"There is no decision {decision_id}.")
    return _decision(row)


def about(database: Database, subject_id: UUID) -> list[StoredDecision]:
    """Return every decision that concerned something, oldest first; the record outlives its subject."""
    return [_decision(row) for row in database.execute(_SQL["about"], {"subject_id": subject_id})]


def _decision(row: DictRow) -> StoredDecision:
    return StoredDecision(**{**row, "subject_ids": tuple(row["subject_ids"])})
