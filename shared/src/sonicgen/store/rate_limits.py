"""How often somebody may ask, counted for all instances together.

The generic cell rate algorithm: of a limit of 10 an hour, ten may come at once, and one more every six minutes. A
caller has one row whatever they ask, and none once they have been quiet for an hour and were swept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sonicgen.store.database import Database
from sonicgen.store.statements import load_statements

_SQL = load_statements("rate_limits")
PERIOD_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a caller has left: whole requests, and the seconds until the next one where there are none."""

    is_granted: bool
    limit: int
    remaining: int
    retry_after_seconds: int = 0


def take(database: Database, subject: str, limit: int) -> Allowance:
    """Take one request of `limit` an hour from a caller's allowance, unless it is used up."""
    step = PERIOD_SECONDS / limit
    values = {"subject": subject, "step_seconds": step, "period_seconds": PERIOD_SECONDS}
    with database.transaction() as connection:
        row = connection.execute(_SQL["take"], values).fetchone()
        if row is not None:
            return Allowance(True, limit, _remaining(row["ahead_seconds"], step))
        return _refused(connection.execute(_SQL["look"], values).fetchone(), limit, step)


def look(database: Database, subject: str, limit: int) -> Allowance:
    """Return what is left of a caller's allowance without taking any of it."""
    step = PERIOD_SECONDS / limit
    row = database.execute(_SQL["look"], {"subject": subject}).fetchone()
    remaining = _remaining(row["ahead_seconds"] if row else 0.0, step)
    return Allowance(True, limit, remaining) if remaining else _refused(row, limit, step)


def sweep(database: Database) -> int:
    """Forget callers whose whole allowance is back; return how many."""
    return database.execute(_SQL["sweep"]).rowcount


def _remaining(ahead_seconds: float, step: float) -> int:
    return max(0, math.floor((PERIOD_SECONDS - ahead_seconds) / step + 1e-3))


def _refused(row: dict[str, float] | None, limit: int, step: float) -> Allowance:
    ahead = row["ahead_seconds"] if row is not None else PERIOD_SECONDS
    return Allowance(False, limit, 0, max(1, math.ceil(ahead + step - PERIOD_SECONDS)))
