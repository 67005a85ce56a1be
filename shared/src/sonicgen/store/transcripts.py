"""Transcripts as Postgres keeps them: planned, submitted, finished, found; and what they take over from others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from sonicgen.domain.transcript import (
    COMPLETE_STATES,
    Part,
    Transcript,
    TranscriptReason,
    TranscriptSource,
    TranscriptState,
    transcript_id,
)
from sonicgen.errors import ConflictError
from sonicgen.store.database import Connection, Database
from sonicgen.store.statements import load_statements

_SQL = load_statements("transcripts")
_PLAIN_FIELDS = frozenset(field.name for field in fields(Transcript)) - {"state", "reason", "parts"}


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source and how its own transcript stands; `state` is None when it has none (yet)."""

    source: TranscriptSource
    is_known: bool
    is_decided: bool
    state: TranscriptState | None
    revision: int | None


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds sent to the provider since the day began: by all, and by one channel."""

    day_seconds: float
    channel_seconds: float


def plan(
    connection: Connection,
    video_id: UUID,
    *,
    parts: Sequence[Part],
    paid_seconds: float,
    omitted_seconds: float,
    sources: Sequence[TranscriptSource],
) -> Transcript | None:
    """Put on record what is to be sent and what is to be taken over; None when there is a transcript to be kept.

    A transcript that failed, was skipped or was over the budget is planned anew.
    """
    values = {
        "id": transcript_id(video_id),
        "video_id": video_id,
        "parts": _parts(parts),
        "paid_seconds": paid_seconds,
        "omitted_seconds": omitted_seconds,
    }
    row = (
        connection.execute(_SQL["plan"], values).fetchone() or connection.execute(_SQL["plan_anew"], values).fetchone()
    )
    if row is None:
        return None
    connection.execute(_SQL["delete_sources"], {"id": row["id"]})
    with connection.cursor() as cursor:
        cursor.executemany(
            _SQL["insert_source"],
            [
                {
                    "transcript_id": row["id"],
                    "position": position,
                    "source_id": source.source_id,
                    "start_seconds": source.start_seconds,
                    "end_seconds": source.end_seconds,
                    "source_start_seconds": source.source_start_seconds,
                    "source_end_seconds": source.source_end_seconds,
                    "speed": source.speed,
                    "label_prefix": source.label_prefix,
                }
                for position, source in enumerate(sources)
            ],
        )
    return _transcript(row)


def find(database: Database, video_id: UUID) -> Transcript | None:
    """Return a recording's transcript, None when it has none."""
    row = database.execute(_SQL["of_video"], {"video_id": video_id}).fetchone()
    return _transcript(row) if row is not None else None


def lock(connection: Connection, video_id: UUID) -> Transcript | None:
    """Return a recording's transcript and let nobody else change it until the transaction ends."""
    row = connection.execute(_SQL["of_video_locked"], {"video_id": video_id}).fetchone()
    return _transcript(row) if row is not None else None


def by_submission(database: Database, provider_id: str | None, submit_key: UUID | None) -> Transcript | None:
    """Return the transcript of a provider's job, also while the answer to its submission is not on record yet."""
    values = {"provider_id": provider_id, "submit_key": submit_key}
    row = database.execute(_SQL["by_submission"], values).fetchone()
    return _transcript(row) if row is not None else None


def sources_of(connection: Connection, transcript: Transcript) -> list[SourceState]:
    """Return what a transcript takes over from others, in the order of its own time."""
    rows = connection.execute(_SQL["sources"], {"transcript_id": transcript.id}).fetchall()
    return [_source_state(row) for row in rows]


def heirs_of(database: Database, video_id: UUID) -> list[UUID]:
    """Return the recordings whose transcripts take something over from this one."""
    return [row["video_id"] for row in database.execute(_SQL["heirs"], {"video_id": video_id})]


def awaits(connection: Connection, video_id: UUID, source_id: UUID) -> bool:
    """Return whether a recording's transcript is not complete and takes something over from the other one."""
    row = connection.execute(_SQL["awaits"], {"video_id": video_id, "source_id": source_id}).fetchone()
    return row is not None and bool(row["awaits"])


def mark_inherited(connection: Connection, transcript: Transcript, source_id: UUID, revision: int) -> None:
    """Note which state of a source's transcript was taken over."""
    values = {"transcript_id": transcript.id, "source_id": source_id, "revision": revision}
    connection.execute(_SQL["mark_inherited"], values)


def begin_submission(
    connection: Connection,
    transcript: Transcript,
    *,
    provider: str,
    submit_key: UUID,
    audio_object: str,
    audio_url: str,
    parts: Sequence[Part],
    paid_seconds: float,
    omitted_seconds: float,
    poll_after_seconds: float,
) -> Transcript:
    """Put on record that the provider is about to be called; to be committed before the call.

    Raises ConflictError when somebody else has begun it.
    """
    values = {
        "id": transcript.id,
        "provider": provider,
        "submit_key": submit_key,
        "audio_object": audio_object,
        "audio_url": audio_url,
        "parts": _parts(parts),
        "paid_seconds": paid_seconds,
        "omitted_seconds": omitted_seconds,
        "poll_after_seconds": poll_after_seconds,
    }
    row = connection.execute(_SQL["begin_submission"], values).fetchone()
    if row is None:
        raise ConflictError("Somebody else is submitting the same recording.")
    return _transcript(row)


def omit_parts(connection: Connection, transcript: Transcript) -> None:
    """Note that nothing of what was planned to be sent can be heard."""
    seconds = sum(part.seconds for part in transcript.parts)
    connection.execute(_SQL["omit_parts"], {"id": transcript.id, "seconds": seconds})


def finish_submission(
    connection: Connection, transcript: Transcript, provider_id: str, *, poll_after_seconds: float
) -> bool:
    """Keep the provider's name of the job; whether it was awaited still."""
    values = {
        "id": transcript.id,
        "submit_key": transcript.submit_key,
        "provider_id": provider_id,
        "poll_after_seconds": poll_after_seconds,
    }
    return connection.execute(_SQL["finish_submission"], values).fetchone() is not None


def withdraw_submission(connection: Connection, transcript: Transcript) -> bool:
    """Go back to planned, the provider not having the job; whether it was awaited still."""
    values = {"id": transcript.id, "submit_key": transcript.submit_key}
    return connection.execute(_SQL["withdraw_submission"], values).fetchone() is not None


def poll_again(connection: Connection, transcript: Transcript, *, is_processing: bool, after_seconds: float) -> None:
    """Set when the provider is asked next."""
    values = {"id": transcript.id, "is_processing": is_processing, "poll_after_seconds": after_seconds}
    connection.execute(_SQL["poll_again"], values)


def finish(
    connection: Connection,
    transcript: Transcript,
    state: TranscriptState,
    reason: TranscriptReason,
    *,
    detail: str | None = None,
    is_changed: bool = False,
    provider_id: str | None = None,
    raw_object: str | None = None,
    language: str | None = None,
    speech_model: str | None = None,
    inherited_seconds: float | None = None,
) -> Transcript:
    """Set a transcript's state and why, in the caller's transaction; `is_changed` when its lines changed with it.

    What is None stays. Raises ConflictError for a move that is not allowed, and when the recording was forgotten.
    """
    values = {
        "id": transcript.id,
        "state": state.value,
        "reason": reason.value,
        "reason_detail": detail,
        "provider_id": provider_id,
        "raw_object": raw_object,
        "language": language,
        "speech_model": speech_model,
        "inherited_seconds": inherited_seconds,
        "is_changed": is_changed,
        "is_complete": state in COMPLETE_STATES,
    }
    row = connection.execute(_SQL["finish"], values).fetchone()
    if row is None:
        raise ConflictError("The recording was forgotten meanwhile.")
    return _transcript(row)


def plan_again(connection: Connection, transcript: Transcript) -> Transcript | None:
    """Open a transcript anew with the plan that it has; None when it is under way or complete."""
    row = connection.execute(_SQL["plan_again"], {"id": transcript.id}).fetchone()
    return _transcript(row) if row is not None else None


def due_for_poll(database: Database, limit: int) -> list[Transcript]:
    """Return what the provider should be asked about now, the longest due first."""
    return _read(database, "due_for_poll", limit=limit)


def unsent(database: Database, *, older_than_seconds: float, day: datetime, limit: int) -> list[Transcript]:
    """Return what is planned and was not sent in time, and what was over the budget before `day` began."""
    return _read(database, "unsent", older_than_seconds=older_than_seconds, day=day, limit=limit)


def stale_waiting(database: Database, *, older_than_seconds: float, limit: int) -> list[Transcript]:
    """Return what has waited long for another recording's words."""
    return _read(database, "stale_waiting", older_than_seconds=older_than_seconds, limit=limit)


def lock_budget(connection: Connection, video_id: UUID, day: datetime) -> Spent:
    """Return what was sent since `day` began; nobody else is told until the transaction ends."""
    connection.execute(_SQL["lock_budget"])
    row = connection.execute(_SQL["spent_seconds"], {"video_id": video_id, "day": day}).fetchone()
    assert row is not None  # noqa: S101 - an aggregate returns a row
    return Spent(row["day"], row["channel"])


def with_old_objects(database: Database, *, days: int, limit: int) -> list[Transcript]:
    """Return complete transcripts whose objects in the bucket are older than `days`."""
    return _read(database, "with_old_objects", days=days, limit=limit)


def forget_objects(connection: Connection, transcript: Transcript) -> None:
    """Note that a transcript's objects were removed from the bucket."""
    connection.execute(_SQL["forget_objects"], {"id": transcript.id})


def _parts(parts: Sequence[Part]) -> Jsonb:
    return Jsonb([[part.submitted_start_seconds, part.start_seconds, part.seconds] for part in parts])


def _read(database: Database, statement: str, **values: object) -> list[Transcript]:
    return [_transcript(row) for row in database.execute(_SQL[statement], values)]


def _transcript(row: DictRow) -> Transcript:
    values: dict[str, Any] = {name: value for name, value in row.items() if name in _PLAIN_FIELDS}
    return Transcript(
        **values,
        state=TranscriptState(row["state"]),
        reason=TranscriptReason(row["reason"]) if row["reason"] else None,
        parts=tuple(Part(*map(float, part)) for part in row["parts"]),
    )


def _source_state(row: DictRow) -> SourceState:
    source = TranscriptSource(
        source_id=row["source_video_id"],
        start_seconds=row["start_seconds"],
        end_seconds=row["end_seconds"],
        source_start_seconds=row["source_start_seconds"],
        source_end_seconds=row["source_end_seconds"],
        speed=row["speed"],
        label_prefix=row["label_prefix"],
        inherited_revision=row["inherited_revision"],
    )
    return SourceState(
        source=source,
        is_known=row["is_known"],
        is_decided=row["source_status"] not in (None, "pending"),
        state=TranscriptState(row["source_state"]) if row["source_state"] else None,
        revision=row["source_revision"],
    )
