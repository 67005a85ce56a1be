"""Backfills as Postgres keeps them: begun, listed, handed out piece by piece, counted, ended.

Items are handed out under the lock of their backfill's row, so that its rate and its budgets hold for all workers
together. An item that was handed out is its worker's for a lease, and anybody's afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg.rows import DictRow

from sonicgen.domain.backfill import Backfill, BackfillKind, BackfillState, ItemState, Limits
from sonicgen.errors import NotFoundError
from sonicgen.store.database import Connection, Database
from sonicgen.store.statements import load_statements

_SQL = load_statements("backfills")
# How long a worker that finds nothing to do right now waits before it asks again, at most.
_LONGEST_WAIT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to do; `attempts` counts this one, `detail` is why it was put back, None when it never was."""

    position: int
    address: str
    attempts: int
    detail: str | None = None

    @property
    def is_begun(self) -> bool:
        """Whether a worker was at it before."""
        return self.attempts > 1 or self.detail is not None


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing can be begun for so long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing is left to be begun: the backfill is done or paused."""

    backfill: Backfill


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that nothing can be done with, and why."""

    address: str
    outcome: str
    detail: str


@dataclass(frozen=True, slots=True)
class Shard:
    """Who asks: a worker's name, and which share of the items is its own as long as there are such."""

    worker: str
    index: int = 0
    count: int = 1


def begin(
    database: Database,
    identifier: UUID,
    kind: BackfillKind,
    source: str,
    limits: Limits,
    *,
    takes_all: bool,
    price_per_hour: Decimal,
    novel_price_per_hour: Decimal,
    currency: str,
) -> Backfill:
    """Make a backfill, or let the one that has this id go on, with these limits.

    One that was done is listed again; what had failed in one that does not run is tried again.
    """
    values = {
        "id": identifier,
        "kind": kind.value,
        "source": source,
        "takes_all": takes_all,
        "recordings_per_minute": limits.recordings_per_minute,
        "hours_per_minute": limits.hours_per_minute,
        "most_files": limits.most_files,
        "most_hours": limits.most_hours,
        "most_cost": limits.most_cost,
        "price_per_hour": price_per_hour,
        "novel_price_per_hour": novel_price_per_hour,
        "currency": currency,
    }
    with database.transaction() as connection:
        before = connection.execute(_SQL["lock"], {"id": identifier}).fetchone()
        row = connection.execute(_SQL["begin"], values).fetchone()
        if before is not None and before["state"] != BackfillState.RUNNING:
            connection.execute(_SQL["retry_failed"], {"id": identifier})
    assert row is not None  # noqa: S101 - insert ... returning
    return _backfill(row)


def get(database: Database, identifier: UUID) -> Backfill:
    """Return a backfill; raise NotFoundError when there is none."""
    row = database.execute(_SQL["get"], {"id": identifier}).fetchone()
    if row is None:
        raise NotFoundError(f"There is no backfill {identifier}.")
    return _backfill(row)


def newest(database: Database, limit: int = 20) -> list[Backfill]:
    """Return the backfills that something was done in last."""
    return [_backfill(row) for row in database.execute(_SQL["all"], {"limit": limit})]


def take_listing(connection: Connection, identifier: UUID) -> Backfill | None:
    """Return the backfill if it is to be listed further and nobody else does it before this transaction ends."""
    ours = connection.execute(_SQL["lock_listing"], {"id": identifier}).fetchone()
    if ours is None or not ours["is_ours"]:
        return None
    row = connection.execute(_SQL["get"], {"id": identifier}).fetchone()
    return None if row is None or row["is_listed"] else _backfill(row)


def add_items(
    connection: Connection,
    identifier: UUID,
    addresses: Sequence[str],
    listed_after: str | None,
    *,
    is_listed: bool,
    reopens: bool = False,
) -> int:
    """Add what was listed and keep how far that is, in the caller's transaction; return how many are new.

    What is there already stays as it is; `reopens` has what was ended done again.
    """
    reopened = 0
    if reopens and addresses:
        values = {"id": identifier, "addresses": list(addresses)}
        reopened = _reopen(connection, values)
    added = connection.execute(_SQL["add_items"], {"id": identifier, "addresses": list(addresses)}).rowcount
    moved = {"id": identifier, "listed_after": listed_after, "is_listed": is_listed, "added": added}
    connection.execute(_SQL["move_listing"], moved)
    return added + reopened


def claim(database: Database, identifier: UUID, shard: Shard, lease_seconds: float) -> Item | Wait | Ended:
    """Hand out an item, its shard's own first; or say how long to wait, or that nothing is left to be begun."""
    with database.transaction() as connection:
        row = connection.execute(_SQL["lock"], {"id": identifier}).fetchone()
        if row is None:
            raise NotFoundError(f"There is no backfill {identifier}.")
        backfill = _backfill(row)
        if backfill.state is not BackfillState.RUNNING:
            return Ended(backfill)
        item = _next(connection, backfill, shard)
        if item is None:
            return _nothing_to_begin(connection, backfill)
        under_way = _count(connection, "under_way", identifier)
        used_up = _used_up(backfill, under_way)
        if used_up is not None:
            return Wait(_LONGEST_WAIT_SECONDS / 4) if under_way else _end(connection, backfill, used_up)
        if row["wait_seconds"] > 0:
            return Wait(min(row["wait_seconds"], _LONGEST_WAIT_SECONDS))
        values = {"id": identifier, "worker": shard.worker, "lease_seconds": lease_seconds}
        connection.execute(_SQL["claim"], {**values, "position": item.position})
        connection.execute(_SQL["pace"], {"id": identifier, "seconds": _pause_seconds(backfill)})
        return item


def finish(
    database: Database,
    backfill: Backfill,
    item: Item,
    state: ItemState,
    *,
    outcome: str,
    detail: str | None = None,
    recording_id: UUID | None = None,
    seconds: float = 0.0,
    cost: Decimal = Decimal(0),
) -> bool:
    """Put on record what became of an item, once; whether nobody had done so before."""
    item_values = {
        "id": backfill.id, "position": item.position, "state": state.value, "outcome": outcome, "detail": detail,
        "recording_id": recording_id, "seconds": seconds,
    }  # fmt: skip
    hours_per_minute = backfill.limits.hours_per_minute
    pause_seconds = seconds / 60.0 / hours_per_minute if hours_per_minute else 0.0
    with database.transaction() as connection:
        connection.execute(_SQL["lock"], {"id": backfill.id})  # in the order in which items are handed out
        if connection.execute(_SQL["finish_item"], item_values).fetchone() is None:
            return False
        counted = {"id": backfill.id, "state": state.value, "seconds": seconds, "cost": cost}
        connection.execute(_SQL["count"], counted)
        if state is ItemState.KNOWN:  # it took no time of anybody's
            connection.execute(_SQL["unpace"], {"id": backfill.id, "seconds": _pause_seconds(backfill)})
        elif pause_seconds:
            connection.execute(_SQL["pace"], {"id": backfill.id, "seconds": pause_seconds})
    return True


def rest(
    database: Database, backfill: Backfill, item: Item, detail: str, rest_seconds: float, *, counts: bool = True
) -> None:
    """Put an item back, to be tried again after a while; `counts` False: the try was none."""
    values = {"id": backfill.id, "position": item.position, "detail": detail, "rest_seconds": rest_seconds}
    database.execute(_SQL["rest_item"], {**values, "refund": 0 if counts else 1})


def keep(database: Database, identifier: UUID, worker: str, lease_seconds: float) -> None:
    """Renew the lease on what a worker is at."""
    database.execute(_SQL["keep"], {"id": identifier, "worker": worker, "lease_seconds": lease_seconds})


def free(database: Database, identifier: UUID, worker: str) -> int:
    """Take from a worker what it was at: it died and starts again under the same name."""
    return database.execute(_SQL["free"], {"id": identifier, "worker": worker}).rowcount


def pause(database: Database, identifier: UUID, reason: str) -> bool:
    """Have nothing more begun; what is under way ends. Return whether it ran."""
    values = {"id": identifier, "state": BackfillState.PAUSED.value, "reason": reason}
    return database.execute(_SQL["end"], values).fetchone() is not None


def has_local(database: Database, identifier: UUID) -> bool:
    """Return whether something that waits is a path rather than an address."""
    row = database.execute(_SQL["has_local"], {"id": identifier}).fetchone()
    return bool(row and row["has_local"])


def failures(database: Database, identifier: UUID, limit: int = 20) -> list[Failure]:
    """Return what nothing can be done with."""
    return [Failure(**row) for row in database.execute(_SQL["failures"], {"id": identifier, "limit": limit})]


def outcomes(database: Database, identifier: UUID) -> dict[str, int]:
    """Return how often each outcome was."""
    return {row["outcome"]: row["count"] for row in database.execute(_SQL["outcomes"], {"id": identifier})}


def _reopen(connection: Connection, values: dict[str, Any]) -> int:
    rows = connection.execute(_SQL["reopen_items"], values).fetchall()
    for state in (ItemState.KNOWN, ItemState.DONE):
        values[state.value] = sum(row["state"] == state for row in rows)
    values["failed"] = len(rows) - values["known"] - values["done"]
    connection.execute(_SQL["reopened"], values)
    return len(rows)


def _next(connection: Connection, backfill: Backfill, shard: Shard) -> Item | None:
    values = {"id": backfill.id, "shards": shard.count, "shard": shard.index}
    row = connection.execute(_SQL["next_own"], values).fetchone() if shard.count > 1 else None
    row = row or connection.execute(_SQL["next_any"], values).fetchone()
    return None if row is None else Item(row["position"], row["address"], row["attempts"] + 1, row["detail"])


def _nothing_to_begin(connection: Connection, backfill: Backfill) -> Wait | Ended:
    waits = connection.execute(_SQL["has_waiting"], {"id": backfill.id}).fetchone()
    if not backfill.is_listed or (waits is not None and waits["has_waiting"]):
        return Wait(_LONGEST_WAIT_SECONDS / 4)
    row = connection.execute(_SQL["end"], {"id": backfill.id, "state": "done", "reason": None}).fetchone()
    return Ended(backfill if row is None else _backfill(row))


def _used_up(backfill: Backfill, under_way: int) -> str | None:
    """Return which budget is used up once all that is under way is through, as long as the rest on average."""
    share = 1.0 + under_way / backfill.done if backfill.done else 1.0
    return backfill.limits.exceeded_by(
        backfill.done + under_way,
        backfill.seconds / 3600 * share,
        backfill.cost * Decimal(share),
        backfill.currency,
    )


def _end(connection: Connection, backfill: Backfill, reason: str) -> Ended:
    values = {"id": backfill.id, "state": BackfillState.PAUSED.value, "reason": reason}
    row = connection.execute(_SQL["end"], values).fetchone()
    return Ended(backfill if row is None else _backfill(row))


def _pause_seconds(backfill: Backfill) -> float:
    return 60.0 / backfill.limits.recordings_per_minute if backfill.limits.recordings_per_minute else 0.0


def _count(connection: Connection, statement: str, identifier: UUID) -> int:
    row = connection.execute(_SQL[statement], {"id": identifier}).fetchone()
    return 0 if row is None else int(row[statement])


def _backfill(row: DictRow) -> Backfill:
    names = ("id", "source", "reason", "takes_all", "is_listed", "listed_after", "price_per_hour",
             "novel_price_per_hour", "currency", "listed", "known", "done", "failed", "seconds", "cost", "created_at",
             "updated_at", "finished_at")  # fmt: skip
    limits = ("recordings_per_minute", "hours_per_minute", "most_files", "most_hours", "most_cost")
    return Backfill(
        kind=BackfillKind(row["kind"]),
        state=BackfillState(row["state"]),
        limits=Limits(**{name: row[name] for name in limits}),
        **{name: row[name] for name in names},
    )
