"""Jobs on voices as Postgres keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from sonicgen.domain.voice_job import VoiceJob, VoiceJobKind, VoiceJobStatus, VoiceSegment
from sonicgen.errors import NotFoundError
from sonicgen.store.database import Connection, Database
from sonicgen.store.statements import load_statements

_SQL = load_statements("voice_jobs")


def create(
    database: Database,
    job_id: UUID,
    kind: VoiceJobKind,
    *,
    owner: str,
    input_object: str,
    input_name: str,
    exports_segments: bool,
    num_speakers: int | None,
    least_probability: float | None,
) -> VoiceJob:
    """Keep a new job."""
    values = {
        "id": job_id,
        "kind": str(kind),
        "owner": owner,
        "input_object": input_object,
        "input_name": input_name,
        "exports_segments": exports_segments,
        "num_speakers_wanted": num_speakers,
        "least_probability": least_probability,
    }
    row = database.execute(_SQL["create"], values).fetchone()
    assert row is not None  # noqa: S101 - an insert returns its row
    return _job(row)


def get(database: Database, job_id: UUID, *, owner: str | None = None) -> VoiceJob:
    """Return a job with its segments; raise NotFoundError when there is none, or (given an owner) none of theirs."""
    with database.transaction() as connection:
        row = connection.execute(_SQL["get"], {"id": job_id, "owner": owner}).fetchone()
        if row is None:
            raise NotFoundError(f"There is no job {job_id}.")
        segments = connection.execute(_SQL["segments"], {"job_id": job_id}).fetchall()
    return replace(_job(row), segments=tuple(map(_segment, segments)))


def newest(database: Database, *, owner: str | None, offset: int, limit: int) -> list[VoiceJob]:
    """Return jobs without their segments, newest first; of one owner when one is given."""
    rows = database.execute(_SQL["list"], {"owner": owner, "offset": offset, "limit": limit}).fetchall()
    return [_job(row) for row in rows]


def start(database: Database, job_id: UUID) -> VoiceJob | None:
    """Count one more attempt at a job; None when it is over, or was removed."""
    row = database.execute(_SQL["start"], {"id": job_id}).fetchone()
    return _job(row) if row is not None else None


def finish(
    connection: Connection,
    job_id: UUID,
    segments: Sequence[VoiceSegment],
    *,
    duration_seconds: float,
    num_speakers: int,
    diarizer: str,
    model: str,
    thresholds: Mapping[str, float] | None,
) -> bool:
    """Keep what was found, in place of what an earlier attempt left; False when the job was over."""
    values = {
        "id": job_id,
        "duration_seconds": duration_seconds,
        "num_speakers": num_speakers,
        "diarizer": diarizer,
        "model": model,
        "thresholds": Jsonb(dict(thresholds)) if thresholds is not None else None,
    }
    if connection.execute(_SQL["finish"], values).fetchone() is None:
        return False
    connection.execute(_SQL["forget_segments"], {"job_id": job_id})
    for position, segment in enumerate(segments):
        connection.execute(_SQL["add_segment"], _segment_values(job_id, position, segment))
    return True


def fail(database: Database, job_id: UUID, error: str) -> bool:
    """Note why a job can never succeed; False when it was over."""
    return database.execute(_SQL["fail"], {"id": job_id, "error": error}).fetchone() is not None


def forget_audio(connection: Connection, speaker_id: UUID) -> list[str]:
    """Forget the segments' sound of a speaker; return the objects, which the caller removes."""
    return [row["audio_object"] for row in connection.execute(_SQL["forget_audio"], {"speaker_id": speaker_id})]


def stale(database: Database, *, older_than_seconds: float, limit: int) -> list[VoiceJob]:
    """Return jobs that are not over and that nobody has begun for this long."""
    values = {"older_than_seconds": older_than_seconds, "limit": limit}
    return [_job(row) for row in database.execute(_SQL["stale"], values)]


def expired(database: Database, *, days: int, limit: int) -> list[VoiceJob]:
    """Return jobs that were over this many days ago."""
    return [_job(row) for row in database.execute(_SQL["expired"], {"days": days, "limit": limit})]


def delete(database: Database, job_id: UUID) -> None:
    """Remove a job with its segments; objects are the caller's."""
    database.execute(_SQL["delete"], {"id": job_id})


def _segment_values(job_id: UUID, position: int, segment: VoiceSegment) -> dict[str, Any]:
    return {
        "id": segment.id,
        "job_id": job_id,
        "position": position,
        "label": segment.label,
        "start_seconds": segment.start_seconds,
        "end_seconds": segment.end_seconds,
        "speaker_id": segment.speaker_id,
        "outcome": segment.outcome,
        "confidence": segment.confidence,
        "audio_object": segment.audio_object,
    }


def _job(row: DictRow) -> VoiceJob:
    known = {name: row[name] for name in VoiceJob.__dataclass_fields__ if name in row}
    return VoiceJob(**{**known, "kind": VoiceJobKind(row["kind"]), "status": VoiceJobStatus(row["status"])})


def _segment(row: DictRow) -> VoiceSegment:
    return VoiceSegment(**{name: row[name] for name in VoiceSegment.__dataclass_fields__})
