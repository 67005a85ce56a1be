"""Whom to tell of what happens, and what was told, as Postgres keeps it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import DictRow

from sonicgen.errors import NotFoundError
from sonicgen.store.database import Connection, Database
from sonicgen.store.statements import load_statements

_SQL = load_statements("webhooks")
SECRET_PREFIX = "whsec_"  # noqa: S105 - how a secret begins, not one


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that wants to be told of some events; what it is told is signed with `secret`."""

    id: UUID
    url: str
    secret: str
    events: tuple[str, ...]
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one address; `next_attempt_at` is None once it was delivered or given up."""

    id: UUID
    webhook_id: UUID
    event_id: str
    event: str
    body: str
    attempts: int
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    last_answer: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery that is to be tried now."""

    delivery: Delivery
    url: str
    secret: str


def add(database: Database, url: str, events: Sequence[str]) -> Webhook:
    """Keep an address with a new secret."""
    values = {"url": url, "events": list(events), "secret": SECRET_PREFIX + secrets.token_urlsafe(32)}
    row = database.execute(_SQL["add"], values).fetchone()
    assert row is not None  # noqa: S101 - an insert returns its row
    return _webhook(row)


def list_all(database: Database) -> list[Webhook]:
    """Return every address, oldest first."""
    return [_webhook(row) for row in database.execute(_SQL["list"])]


def remove(database: Database, webhook_id: UUID) -> None:
    """Forget an address and what waits for it; raise NotFoundError."""
    if database.execute(_SQL["remove"], {"id": webhook_id}).fetchone() is None:
        raise NotFoundError(f"There is no webhook {webhook_id}.")


def enqueue(connection: Connection | Database, event: str, event_id: str, body: str) -> None:
    """Have an event told to everybody who wants it, in the caller's transaction if it gives one.

    The same id again tells nobody.
    """
    connection.execute(_SQL["enqueue"], {"event": event, "event_id": event_id, "body": body})


def take_due(database: Database, limit: int) -> list[Due]:
    """Return deliveries whose time has come; for a minute nobody else gets them."""
    rows = database.execute(_SQL["take_due"], {"limit": limit}).fetchall()
    return [Due(delivery=_delivery(row), url=row["url"], secret=row["secret"]) for row in rows]


def note(
    database: Database, delivery: Delivery, answer: str, *, is_delivered: bool, wait_seconds: float | None
) -> None:
    """Keep how an attempt ended; without `wait_seconds` it was the last."""
    values = {"id": delivery.id, "answer": answer, "is_delivered": is_delivered, "wait_seconds": wait_seconds}
    database.execute(_SQL["note"], values)


def deliveries(database: Database, webhook_id: UUID, limit: int = 100) -> list[Delivery]:
    """Return what an address was told lately, newest first."""
    rows = database.execute(_SQL["deliveries"], {"webhook_id": webhook_id, "limit": limit}).fetchall()
    return [_delivery(row) for row in rows]


def sweep(database: Database) -> int:
    """Forget deliveries of last month; return how many."""
    return database.execute(_SQL["sweep"]).rowcount


def _webhook(row: DictRow) -> Webhook:
    return Webhook(**{**row, "events": tuple(row["events"])})


def _delivery(row: DictRow) -> Delivery:
    return Delivery(**{name: row[name] for name in Delivery.__slots__})
