"""A backfill: what lies somewhere already and is brought in piece by piece, or recordings that are heard anew."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sonicgen.errors import InputError

_NAMESPACE = UUID("6f0c5a52-6d0b-4f5e-8a55-0d1f3a6f7b10")


class BackfillKind(StrEnum):
    """What is done with each item."""

    FILES = "files"  # what an upload's event would do
    REFINGERPRINT = "refingerprint"  # fingerprint and match a recording anew


class BackfillState(StrEnum):
    """Where a backfill stands."""

    RUNNING = "running"
    PAUSED = "paused"  # its budget is used up, or somebody stopped it: its reason says
    DONE = "done"


class ItemState(StrEnum):
    """What became of an item."""

    WAITING = "waiting"
    KNOWN = "known"  # nothing was left to do
    DONE = "done"
    FAILED = "failed"  # nothing can be done; its detail says why


@dataclass(frozen=True, slots=True)
class Limits:
    """How fast a backfill goes and when it stops; None: no limit.

    The rate is in recordings a minute, hours of sound a minute, or both; the budgets count all that the backfill did,
    however often it was started.
    """

    recordings_per_minute: float | None = None
    hours_per_minute: float | None = None
    most_files: int | None = None
    most_hours: float | None = None
    most_cost: Decimal | None = None

    def exceeded_by(self, files: int, hours: float, cost: Decimal, currency: str) -> str | None:
        """Return a sentence that names the budget which so much uses up, None when there is room for more."""
        if self.most_files is not None and files >= self.most_files:
            return f"The budget of {self.most_files:,} files is used up; run it again with a larger --files to go on."
        if self.most_hours is not None and hours >= self.most_hours:
            return f"The budget of {self.most_hours:g} hours is used up; run it again with a larger --hours to go on."
        if self.most_cost is not None and cost >= self.most_cost:
            return f"The budget of {self.most_cost} {currency} is used up; run it again with a larger --cost to go on."
        return None


@dataclass(frozen=True, slots=True)
class Backfill:
    """One backfill and how far it is; `seconds` of sound and `cost` (estimated) are those of what is done."""

    id: UUID
    kind: BackfillKind
    source: str
    state: BackfillState
    reason: str | None
    takes_all: bool
    limits: Limits
    is_listed: bool
    listed_after: str | None
    price_per_hour: Decimal
    novel_price_per_hour: Decimal
    currency: str
    listed: int
    known: int
    done: int
    failed: int
    seconds: float
    cost: Decimal
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None

    @property
    def ended(self) -> int:
        """How many items are through."""
        return self.known + self.done + self.failed

    def price(self, seconds: float, *, is_novel: bool) -> Decimal:
        """Return what a recording is estimated to cost, with all that follows from it."""
        an_hour = self.price_per_hour + (self.novel_price_per_hour if is_novel else 0)
        return an_hour * Decimal(seconds) / 3600

    def to_json(self) -> dict[str, object]:
        """Return the documented form (docs/backfill.md)."""
        return {
            "id": str(self.id),
            "kind": str(self.kind),
            "source": self.source,
            "state": str(self.state),
            "reason": self.reason,
            "is_listed": self.is_listed,
            "listed": self.listed,
            "known": self.known,
            "done": self.done,
            "failed": self.failed,
            "hours": round(self.seconds / 3600, 4),
            "estimated_cost": round(float(self.cost), 4),
            "currency": self.currency,
            "created_at": self.created_at.isoformat(),
            "updated_at": self.updated_at.isoformat(),
            "finished_at": self.finished_at.isoformat() if self.finished_at else None,
        }


def backfill_id(kind: BackfillKind, source: str) -> UUID:
    """Return the id of the backfill of a source: whoever begins it again goes on with it."""
    return uuid.uuid5(_NAMESPACE, f"{kind}\n{source}")


def split_address(address: str) -> tuple[str, str]:
    """Return bucket and name (or prefix) of gs://bucket/name; raise InputError for anything else."""
    scheme, _, rest = address.partition("://")
    bucket, _, name = rest.partition("/")
    if scheme != "gs" or not bucket:
        raise InputError(f"{address} is no address in a bucket; write gs://BUCKET/NAME.")
    return bucket, name
