"""Matches on record: which stretch of a recording is which stretch of another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import psycopg
from psycopg.rows import DictRow

from sonicgen.domain.match import Decision, Match
from sonicgen.errors import ConflictError, NotFoundError
from sonicgen.store.database import Connection, Database
from sonicgen.store.statements import load_statements

_SQL = load_statements("matches")

Review = Literal["accepted", "rejected"]


@dataclass(frozen=True, slots=True)
class StoredMatch:
    """One match on record; fields as in `sonicgen.domain.match.Match`, with ids that last in place of a number.

    `review` is what a person said of it.
    """

    id: UUID
    video_id: UUID
    reference_id: UUID
    query_start_seconds: float
    query_end_seconds: float
    reference_start_seconds: float
    reference_end_seconds: float
    speed: float
    pitch: float
    score: float
    probability: float
    log10_chance: float
    decision: Decision
    decided_by: str
    created_at: datetime
    review: Review | None = None
    reviewed_by: str | None = None
    reviewed_at: datetime | None = None

    def to_json(self) -> dict[str, object]:
        """Return the documented form: ids and times as text, numbers rounded to what they are good for."""
        return {
            "id": str(self.id),
            "video_id": str(self.video_id),
            "reference_video_id": str(self.reference_id),
            "query_start_seconds": round(self.query_start_seconds, 3),
            "query_end_seconds": round(self.query_end_seconds, 3),
            "reference_start_seconds": round(self.reference_start_seconds, 3),
            "reference_end_seconds": round(self.reference_end_seconds, 3),
            "speed": round(self.speed, 4),
            "pitch": round(self.pitch, 4),
            "score": round(self.score, 1),
            "probability": round(self.probability, 6),
            "log10_chance": round(self.log10_chance, 2),
            "decision": str(self.decision),
            "decided_by": self.decided_by,
            "created_at": self.created_at.isoformat(),
            "review": self.review,
            "reviewed_by": self.reviewed_by,
            "reviewed_at": self.reviewed_at.isoformat() if self.reviewed_at else None,
        }


def replace(connection: Connection, video_id: UUID, found: Iterable[tuple[UUID, Match]], decided_by: str) -> None:
    """Make these (reference id, match) pairs all that is on record for a recording, in the caller's transaction.

    A match that a person reviewed keeps its id and the review, and takes the place of the pair that is the same again.
    Raises ConflictError when a recording among them was forgotten meanwhile.
    """
    rows = [
        {
            **asdict(match),
            "video_id": video_id,
            "reference_id": reference_id,
            "decision": match.decision.value,
            "decided_by": decided_by,
        }
        for reference_id, match in found
    ]
    connection.execute(_SQL["delete_of"], {"video_id": video_id})
    rows = _renew_reviewed(connection, video_id, rows)
    try:
        with connection.cursor() as cursor:
            cursor.executemany(_SQL["insert"], rows)
    except psycopg.errors.ForeignKeyViolation as error:
        raise ConflictError("A recording among the matches was forgotten meanwhile.") from error


def _renew_reviewed(connection: Connection, video_id: UUID, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Bring the matches up to date that a person reviewed and that are found again; return the other rows."""
    if connection.execute(_SQL["of"], {"video_id": video_id}).fetchone() is None:
        return rows
    renewed: list[UUID] = []
    fresh = []
    for row in rows:
        found = connection.execute(_SQL["renew_reviewed"], {**row, "renewed": renewed}).fetchone()
        if found is None:
            fresh.append(row)
        else:
            renewed.append(found["id"])
    return fresh


def add(connection: Connection, rows: Iterable[tuple[UUID, UUID, Match]], decided_by: str) -> None:
    """Put (recording, reference, match) on record in the caller's transaction, in place of what was there of a pair."""
    values = [
        {
            **asdict(match),
            "video_id": video_id,
            "reference_id": reference_id,
            "decision": match.decision.value,
            "decided_by": decided_by,
        }
        for video_id, reference_id, match in rows
    ]
    pairs = {(row["video_id"], row["reference_id"]) for row in values}
    with connection.cursor() as cursor:
        cursor.executemany(_SQL["delete_pair"], [{"video_id": v, "reference_id": r} for v, r in pairs])
        cursor.executemany(_SQL["insert"], values)


def of(database: Database, video_id: UUID) -> list[StoredMatch]:
    """Return what a recording was found to hold of others, in the order of its own time."""
    return _read(database, "of", video_id)


def copies_of(database: Database, video_id: UUID) -> list[StoredMatch]:
    """Return where a recording was found in others, in the order of its own time."""
    return _read(database, "copies_of", video_id)


@dataclass(frozen=True, slots=True)
class MatchPage:
    """Some matches; `next_cursor` asks for those that follow, None at the end."""

    matches: list[StoredMatch]
    next_cursor: tuple[float, UUID] | None


def get(database: Database, match_id: UUID) -> StoredMatch:
    """Return one match; raise NotFoundError when there is none (any more)."""
    row = database.execute(_SQL["get"], {"id": match_id}).fetchone()
    if row is None:
        raise NotFoundError(f"There is no match {match_id}; its recording may have been judged anew.")
    return _match(row)


def page(
    database: Database,
    *,
    decision: Decision | None = None,
    review: Review | Literal["none"] | None = None,
    video_id: UUID | None = None,
    limit: int = 50,
    cursor: tuple[float, UUID] | None = None,
) -> MatchPage:
    """Return matches, the most probable first; `review` "none" leaves those that nobody has looked at."""
    after_probability, after_id = cursor or (None, None)
    values = {
        "decision": decision and decision.value,
        "review": review,
        "video_id": video_id,
        "after_probability": after_probability,
        "after_id": after_id,
        "limit": limit + 1,
    }
    rows = database.execute(_SQL["page"], values).fetchall()
    found = [_match(row) for row in rows[:limit]]
    return MatchPage(found, (found[-1].probability, found[-1].id) if len(rows) > limit else None)


def set_review(connection: Connection, match_id: UUID, review: Review | None, reviewed_by: str | None) -> StoredMatch:
    """Keep what a person said of a match, None to take it back, in the caller's transaction; raise NotFoundError."""
    values = {"id": match_id, "review": review, "reviewed_by": reviewed_by}
    row = connection.execute(_SQL["set_review"], values).fetchone()
    if row is None:
        raise NotFoundError(f"There is no match {match_id}; its recording may have been judged anew.")
    return _match(row)


def _read(database: Database, statement: str, video_id: UUID) -> list[StoredMatch]:
    rows = database.execute(_SQL[statement], {"video_id": video_id}).fetchall()
    return [_match(row) for row in rows]


def _match(row: DictRow) -> StoredMatch:
    values = {**row, "decision": Decision(row["decision"]), "reference_id": row["reference_video_id"]}
    del values["reference_video_id"]
    return StoredMatch(**values)
