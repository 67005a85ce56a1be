"""What was asked to be enrolled, and what became of it and of each sample."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import DictRow

from sonicgen.domain.speaker import ENROLMENT_EXPLANATIONS, EnrolmentReason, EnrolmentState
from sonicgen.errors import NotFoundError
from sonicgen.store.database import Connection, Database
from sonicgen.store.statements import load_statements

_SQL = load_statements("enrolments")


@dataclass(frozen=True, slots=True)
class Sample:
    """One file of an enrolment; `reason` is why it cannot be used, None when it can."""

    file_name: str
    sha256: str | None = None
    duration_seconds: float | None = None
    speech_seconds: float | None = None
    reason: EnrolmentReason | None = None
    reason_detail: str | None = None

    def explain(self) -> str:
        """Return a sentence for people: why it cannot be used."""
        if self.reason is None:
            return "It can be used."
        sentence = ENROLMENT_EXPLANATIONS[self.reason]
        return f"{sentence} {self.reason_detail}" if self.reason_detail else sentence

    def to_json(self) -> dict[str, object]:
        """Return the documented form."""
        return {
            "file_name": self.file_name,
            "duration_seconds": self.duration_seconds,
            "speech_seconds": self.speech_seconds,
            "reason": None if self.reason is None else str(self.reason),
            "explanation": self.explain(),
        }


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One enrolment with its samples; only an enrolled one has a speaker."""

    id: UUID
    name: str
    state: EnrolmentState
    reason: EnrolmentReason | None
    reason_detail: str | None
    speaker_id: UUID | None
    created_by: str
    created_at: datetime
    finished_at: datetime | None
    samples: tuple[Sample, ...]

    def explain(self) -> str:
        """Return a sentence for people."""
        if self.reason is None:
            return "Enrolled." if self.state is EnrolmentState.ENROLLED else "Being looked at."
        sentence = ENROLMENT_EXPLANATIONS[self.reason]
        return f"{sentence} {self.reason_detail}" if self.reason_detail else sentence

    def to_json(self) -> dict[str, object]:
        """Return the documented form."""
        return {
            "id": str(self.id),
            "name": self.name,
            "state": str(self.state),
            "reason": None if self.reason is None else str(self.reason),
            "explanation": self.explain(),
            "speaker": None if self.speaker_id is None else str(self.speaker_id),
            "created_at": self.created_at.isoformat(),
            "samples": [sample.to_json() for sample in self.samples],
        }


def begin(connection: Connection, enrolment_id: UUID, name: str, *, by: str) -> None:
    """Put an enrolment on record before anything of it is made."""
    connection.execute(_SQL["begin"], {"id": enrolment_id, "name": name, "created_by": by})


def put_sample(connection: Connection, enrolment_id: UUID, position: int, sample: Sample) -> None:
    """Keep what was found of one file."""
    values = {
        "enrolment_id": enrolment_id,
        "position": position,
        "file_name": sample.file_name,
        "sha256": sample.sha256,
        "duration_seconds": sample.duration_seconds,
        "speech_seconds": sample.speech_seconds,
        "reason": None if sample.reason is None else sample.reason.value,
        "reason_detail": sample.reason_detail,
    }
    connection.execute(_SQL["put_sample"], values)


def finish(
    connection: Connection,
    enrolment_id: UUID,
    state: EnrolmentState,
    reason: EnrolmentReason | None = None,
    *,
    detail: str | None = None,
    speaker_id: UUID | None = None,
) -> bool:
    """Say how an enrolment ended; False when it had ended before."""
    values = {
        "id": enrolment_id,
        "state": state.value,
        "reason": None if reason is None else reason.value,
        "reason_detail": detail,
        "speaker_id": speaker_id,
    }
    return connection.execute(_SQL["finish"], values).fetchone() is not None


def get(connection: Connection, enrolment_id: UUID) -> Enrolment:
    """Return an enrolment. Raises NotFoundError."""
    row = connection.execute(_SQL["get"], {"id": enrolment_id}).fetchone()
    if row is None:
        raise NotFoundError(f"There is no enrolment {enrolment_id}.")
    return _enrolment(connection, row)


def newest(database: Database, limit: int) -> list[Enrolment]:
    """Return enrolments, newest first."""
    with database.transaction() as connection:
        rows = connection.execute(_SQL["newest"], {"limit": limit}).fetchall()
        return [_enrolment(connection, row) for row in rows]


def interrupted(connection: Connection, *, older_than_seconds: float, limit: int) -> list[UUID]:
    """Return enrolments that nobody works on any more."""
    values = {"older_than_seconds": older_than_seconds, "limit": limit}
    return [row["id"] for row in connection.execute(_SQL["interrupted"], values)]


def _enrolment(connection: Connection, row: DictRow) -> Enrolment:
    samples = tuple(
        Sample(
            each["file_name"],
            each["sha256"],
            each["duration_seconds"],
            each["speech_seconds"],
            EnrolmentReason(each["reason"]) if each["reason"] else None,
            each["reason_detail"],
        )
        for each in connection.execute(_SQL["samples"], {"id": row["id"]})
    )
    return Enrolment(
        row["id"],
        row["name"],
        EnrolmentState(row["state"]),
        EnrolmentReason(row["reason"]) if row["reason"] else None,
        row["reason_detail"],
        row["speaker_id"],
        row["created_by"],
        row["created_at"],
        row["finished_at"],
        samples,
    )
