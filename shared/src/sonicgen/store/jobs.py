"""Jobs that somebody waits for, and what they told of themselves, as Postgres keeps them for all instances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from sonicgen.errors import NotFoundError
from sonicgen.store.database import Connection, Database
from sonicgen.store.statements import load_statements

_SQL = load_statements("jobs")

# A running job says that it lives with every event and in between; without a word for this long its process is gone.
LEASE_SECONDS = 30.0
# How long an answer can be looked at again: a link to it that is opened the next day still works.
LIFE_SECONDS = 7 * 24 * 3600.0

JobState = Literal["running", "done", "failed", "cancelled"]
EventKind = Literal["progress", "result", "error"]


@dataclass(frozen=True, slots=True)
class Job:
    """One job; `is_lost` when it stands as running and its process is gone."""

    id: UUID
    kind: str
    state: JobState
    owner: str
    name: str
    request: Mapping[str, Any]
    result: Mapping[str, Any] | None
    problem: Mapping[str, Any] | None
    created_at: datetime
    finished_at: datetime | None
    is_lost: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state != "running"


@dataclass(frozen=True, slots=True)
class JobEvent:
    """What a job told; `id` counts from 1 within the job."""

    id: int
    event: EventKind
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some jobs, newest first; `next_cursor` asks for those that follow, None at the end."""

    jobs: list[Job]
    next_cursor: tuple[datetime, UUID] | None


def start(
    database: Database,
    job_id: UUID,
    kind: str,
    *,
    owner: str,
    name: str,
    request: Mapping[str, object],
    idempotency_key: str | None = None,
) -> tuple[Job, bool]:
    """Return the job and whether it is new: the same owner's same key gives the job that it made before."""
    values = {
        "id": job_id,
        "kind": kind,
        "owner": owner,
        "name": name,
        "request": Jsonb(dict(request)),
        "idempotency_key": idempotency_key,
        "lease_seconds": LEASE_SECONDS,
        "life_seconds": LIFE_SECONDS,
    }
    with database.transaction() as connection:
        row = connection.execute(_SQL["start"], values).fetchone()
        if row is not None:
            return _job(row), True
        present = connection.execute(_SQL["by_idempotency_key"], values).fetchone()
        assert present is not None  # noqa: S101 - the insert met it
        return _job(present), False


def find_by_key(database: Database, owner: str, idempotency_key: str) -> Job | None:
    """Return the job that an owner made with a key before, None when there is none."""
    values = {"owner": owner, "idempotency_key": idempotency_key}
    row = database.execute(_SQL["by_idempotency_key"], values).fetchone()
    return _job(row) if row is not None else None


def get(database: Database, job_id: UUID) -> Job:
    """Return one job; raise NotFoundError when there is none, or none any more."""
    row = database.execute(_SQL["get"], {"id": job_id}).fetchone()
    if row is None:
        raise NotFoundError(f"There is no job {job_id}, or none any more: answers are kept for seven days.")
    return _job(row)


def add_event(database: Database, job_id: UUID, event: EventKind, data: Mapping[str, object]) -> int | None:
    """Put an event on record and return its id; None when the job is over (it was cancelled)."""
    with database.transaction() as connection:
        return _add_event(connection, job_id, event, data)


def keep_alive(database: Database, job_id: UUID) -> bool:
    """Say that a job's process lives; return whether the job still runs."""
    row = database.execute(_SQL["keep_alive"], {"id": job_id, "lease_seconds": LEASE_SECONDS}).fetchone()
    return row is not None


def finish(
    database: Database,
    job_id: UUID,
    state: JobState,
    *,
    result: Mapping[str, object] | None = None,
    problem: Mapping[str, object] | None = None,
    event: tuple[EventKind, Mapping[str, object]],
) -> int | None:
    """End a running job with its last event, and return that event's id; None when the job was over before."""
    values = {
        "id": job_id,
        "state": state,
        "result": Jsonb(dict(result)) if result is not None else None,
        "problem": Jsonb(dict(problem)) if problem is not None else None,
    }
    with database.transaction() as connection:
        identifier = _add_event(connection, job_id, *event)
        if identifier is not None:
            connection.execute(_SQL["finish"], values)
        return identifier


def events_after(database: Database, job_id: UUID, after: int) -> list[JobEvent]:
    """Return what a job told after its event `after` (0: everything), in order."""
    rows = database.execute(_SQL["events_after"], {"id": job_id, "after": after}).fetchall()
    return [JobEvent(row["id"], row["event"], row["data"]) for row in rows]


def newest(
    database: Database,
    *,
    owner: str | None = None,
    state: JobState | None = None,
    limit: int = 50,
    cursor: tuple[datetime, UUID] | None = None,
) -> JobPage:
    """Return a page of jobs, of all owners or of one."""
    after_time, after_id = cursor or (None, None)
    values = {"owner": owner, "state": state, "after_time": after_time, "after_id": after_id, "limit": limit + 1}
    rows = database.execute(_SQL["newest"], values).fetchall()
    found = [_job(row) for row in rows[:limit]]
    return JobPage(found, (found[-1].created_at, found[-1].id) if len(rows) > limit else None)


def sweep(database: Database) -> int:
    """Forget jobs whose time is over; return how many."""
    return database.execute(_SQL["sweep"]).rowcount


def _add_event(connection: Connection, job_id: UUID, event: EventKind, data: Mapping[str, object]) -> int | None:
    values = {"id": job_id, "event": event, "data": Jsonb(dict(data)), "lease_seconds": LEASE_SECONDS}
    row = connection.execute(_SQL["add_event"], values).fetchone()
    return None if row is None else int(row["id"])


def _job(row: DictRow) -> Job:
    return Job(
        id=row["id"],
        kind=row["kind"],
        state=row["state"],
        owner=row["owner"],
        name=row["name"],
        request=row["request"],
        result=row["result"],
        problem=row["problem"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
        is_lost=bool(row.get("is_lost", False)),
    )
