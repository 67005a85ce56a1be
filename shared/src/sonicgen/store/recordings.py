"""Recordings as Postgres keeps them: claimed, finished, found, listed, forgotten."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from sonicgen.domain.quality import Quality
from sonicgen.domain.recording import MatchStatus, Reason, Recording
from sonicgen.errors import InputError, NotFoundError
from sonicgen.store.database import Connection, Database
from sonicgen.store.postings import lock_index
from sonicgen.store.statements import load_statements

_SQL = load_statements("recordings")
_ID_PREFIX = re.compile(r"[0-9a-f]{1,32}")
_SHOWN_WHEN_AMBIGUOUS = 5


@dataclass(frozen=True, slots=True)
class Page:
    """Some recordings, newest first; `next_cursor` asks for those that follow, None at the end."""

    recordings: list[Recording]
    next_cursor: tuple[datetime, UUID] | None


@dataclass(frozen=True, slots=True)
class Heard:
    """A recording and the version of fingerprints by which it was last compared."""

    id: UUID
    version: int


def claim(
    database: Database,
    recording_id: UUID,
    *,
    title: str,
    bucket: str,
    object_name: str,
    generation: int,
    size_bytes: int,
    md5: str | None,
    content_type: str | None,
) -> Recording:
    """Take a recording in hand: make its row if there is none, set it to pending, count the attempt.

    A recording that is final is returned as it is; `ask_again` opens it anew. Who may work on it at a time is the event
    ledger's matter, not this function's.
    """
    values = {
        "id": recording_id,
        "title": title,
        "bucket": bucket,
        "object_name": object_name,
        "generation": generation,
        "size_bytes": size_bytes,
        "md5": md5,
        "content_type": content_type,
    }
    row = database.execute(_SQL["claim"], values).fetchone()
    return _recording(row) if row is not None else get(database, recording_id)


def lock(connection: Connection, recording_id: UUID) -> Recording | None:
    """Return a recording that nobody else changes before the caller's transaction ends; None when there is none."""
    row = connection.execute(_SQL["lock"], {"id": recording_id}).fetchone()
    return None if row is None else _recording(row)


def ask_again(connection: Connection, recording_id: UUID) -> Recording:
    """Open a recording anew, whatever its state: pending, with all its attempts before it.

    Its postings stay until it is stored or finished again. Raises NotFoundError.
    """
    row = connection.execute(_SQL["ask_again"], {"id": recording_id}).fetchone()
    if row is None:
        raise _not_found(recording_id)
    return _recording(row)


def finish(
    connection: Connection,
    recording_id: UUID,
    status: MatchStatus,
    reason: Reason,
    *,
    detail: str | None = None,
    duration_seconds: float | None = None,
    original_id: UUID | None = None,
) -> Recording:
    """Set a recording's state and why, in the caller's transaction.

    Only a fingerprinted recording keeps the postings and peaks that it has; every other end removes them: a copy whose
    novel stretches are to be indexed is finished first and stored then. Raises ConflictError for a move that is not
    allowed, NotFoundError when the recording was forgotten meanwhile.
    """
    values = {
        "id": recording_id,
        "status": status.value,
        "reason": reason.value,
        "reason_detail": detail,
        "duration_seconds": duration_seconds,
        "original_id": original_id,
    }
    row = connection.execute(_SQL["finish"], values).fetchone()
    if row is None:
        raise _not_found(recording_id)
    if row["number"] is None:
        connection.execute(_SQL["remove_peaks_outside_index"], {"id": recording_id})
    return _recording(row)


def set_heard(connection: Connection, recording_id: UUID, quality: Quality | None, version: int | None = None) -> None:
    """Keep how good a recording sounds, and by which version of fingerprints it was compared, if it was.

    In the caller's transaction.
    """
    values = {"id": recording_id, "quality": None if quality is None else Jsonb(quality.to_json()), "version": version}
    connection.execute(_SQL["set_heard"], values)


def to_hear_anew(database: Database, version: int, limit: int, after: tuple[int, UUID] | None = None) -> list[Heard]:
    """Return some of the recordings that were last compared by an older version, the oldest versions first.

    Byte-identical copies are none of them: they were not compared by their sound.
    """
    values = {"version": version, "limit": limit, "after_version": after and after[0], "after_id": after and after[1]}
    return [Heard(**row) for row in database.execute(_SQL["to_hear_anew"], values)]


def move_copy(connection: Connection, recording_id: UUID, original_id: UUID, detail: str) -> bool:
    """Make a copy the copy of another recording, in the caller's transaction; whether it is a copy (still)."""
    values = {"id": recording_id, "original_id": original_id, "reason_detail": detail}
    return connection.execute(_SQL["move_copy"], values).fetchone() is not None


def get(database: Database, recording_id: UUID) -> Recording:
    """Return one recording.

    Raises NotFoundError.
    """
    found = find(database, recording_id)
    if found is None:
        raise _not_found(recording_id)
    return found


def find(database: Database, recording_id: UUID) -> Recording | None:
    """Return one recording, None when it is not known (yet)."""
    row = database.execute(_SQL["get"], {"id": recording_id}).fetchone()
    return _recording(row) if row is not None else None


def by_numbers(database: Database, numbers: Collection[int]) -> dict[int, Recording]:
    """Return the recordings whose postings carry these numbers; one that was forgotten meanwhile is not among them."""
    if not numbers:
        return {}
    rows = database.execute(_SQL["by_numbers"], {"numbers": list(numbers)}).fetchall()
    return {row["number"]: _recording(row) for row in rows}


def get_by_prefix(database: Database, text: str) -> Recording:
    """Return the one recording that a person means: the beginning of its id, its title, file name or YouTube id.

    Raises NotFoundError when there is none, InputError naming some of them when there are several.
    """
    text = text.strip()
    with database.transaction() as connection:
        rows = connection.execute(_SQL["find_by_name"], {"text": text, "limit": _SHOWN_WHEN_AMBIGUOUS}).fetchall()
        digits = text.lower().replace("-", "")
        if not rows and _ID_PREFIX.fullmatch(digits):
            bounds = {"low": UUID(digits.ljust(32, "0")), "high": UUID(digits.ljust(32, "f"))}
            rows = connection.execute(_SQL["find_by_id_range"], {**bounds, "limit": _SHOWN_WHEN_AMBIGUOUS}).fetchall()
    if not rows:
        raise NotFoundError(f"No recording has the id, title or file name {text!r}.")
    if len(rows) > 1:
        named = ", ".join(f"{row['id']} ({row['title']})" for row in rows)
        raise InputError(f"{text!r} fits several recordings, name one by its id: {named}.")
    return _recording(rows[0])


def list_page(
    database: Database,
    *,
    status: MatchStatus | None = None,
    limit: int = 50,
    cursor: tuple[datetime, UUID] | None = None,
) -> Page:
    """Return up to `limit` recordings in the order of arrival, newest first, all or those in one state.

    Pages are cut by (time, id): no recording is left out or shown twice when others arrive or have the same time.
    """
    values: dict[str, Any] = {"limit": limit + 1, "after_time": None, "after_id": None}
    if cursor is not None:
        values["after_time"], values["after_id"] = cursor
    name = "list_all"
    if status is not None:
        name, values["status"] = "list_by_status", status.value
    rows = database.execute(_SQL[name], values).fetchall()
    shown = rows[:limit]
    more = len(rows) > limit and bool(shown)
    return Page([_recording(row) for row in shown], (shown[-1]["created_at"], shown[-1]["id"]) if more else None)


def find_identical(database: Database, md5: str, size_bytes: int, *, not_id: UUID) -> Recording | None:
    """Return the original in the index that holds the very same bytes, the oldest of them; None when there is none."""
    values = {"md5": md5, "size_bytes": size_bytes, "not_id": not_id}
    row = database.execute(_SQL["find_identical"], values).fetchone()
    return _recording(row) if row is not None else None


def counts_by_status(database: Database) -> dict[MatchStatus | None, int]:
    """Return how many recordings are in each state; states that nobody is in count 0."""
    rows = database.execute(_SQL["counts_by_status"]).fetchall()
    counts: dict[MatchStatus | None, int] = dict.fromkeys((None, *MatchStatus), 0)
    return counts | {_status(row["match_status"]): row["count"] for row in rows}


def copies_of(database: Database, recording_id: UUID) -> list[Recording]:
    """Return the recordings that were found to be copies of this one, oldest first."""
    return read_rows(database.execute(_SQL["copies_of"], {"id": recording_id}).fetchall())


def by_ids(database: Database, ids: Collection[UUID]) -> dict[UUID, Recording]:
    """Return the recordings with these ids; one that was forgotten is not among them."""
    if not ids:
        return {}
    rows = database.execute(_SQL["by_ids"], {"ids": list(ids)}).fetchall()
    return {row["id"]: _recording(row) for row in rows}


def pending_since(database: Database, seconds: float, limit: int) -> list[Recording]:
    """Return recordings that are pending and that nobody has claimed for this long: those that lost their worker."""
    rows = database.execute(_SQL["pending_since"], {"older_than_seconds": seconds, "limit": limit}).fetchall()
    return read_rows(rows)


def delete(connection: Connection, recording_id: UUID) -> list[UUID]:
    """Forget a recording with its postings, peaks and matches; return its copies, which must be judged anew.

    The copies are pending afterwards, so that `pending_since` finds them even if the caller dies before it sends them
    on. Raises NotFoundError.
    """
    lock_index(connection)  # in the order in which a store takes its locks
    orphans = connection.execute(_SQL["orphan_copies"], {"id": recording_id}).fetchall()
    if connection.execute(_SQL["delete"], {"id": recording_id}).fetchone() is None:
        raise _not_found(recording_id)
    return [row["id"] for row in orphans]


def read_rows(rows: Sequence[DictRow]) -> list[Recording]:
    """Return the recordings of whole rows of the table."""
    return [_recording(row) for row in rows]


def _not_found(recording_id: UUID) -> NotFoundError:
    return NotFoundError(f"There is no recording {recording_id}.")


def _status(value: str | None) -> MatchStatus | None:
    return None if value is None else MatchStatus(value)


def _recording(row: DictRow) -> Recording:
    return Recording(
        id=row["id"],
        title=row["title"],
        bucket=row["bucket"] or "",
        object_name=row["object_name"] or "",
        generation=row["object_generation"] or 0,
        size_bytes=row["size_bytes"] or 0,
        match_status=_status(row["match_status"]),
        reason=None if row["reason"] is None else Reason(row["reason"]),
        reason_detail=row["reason_detail"],
        youtube_id=row["youtube_id"],
        duration_seconds=row["duration_seconds"],
        original_video_id=row["original_video_id"],
        attempts=row["attempts"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        content_md5=row["content_md5"],
        content_type=row["content_type"],
        number=row["number"],
        index_version=row["index_version"],
        judged_version=row["judged_version"],
        published_uri=row["source_uri"],
        published_at=row["published_at"],
        channel_id=row["channel_id"],
        quality=None if row["quality"] is None else Quality.from_json(row["quality"]),
    )
