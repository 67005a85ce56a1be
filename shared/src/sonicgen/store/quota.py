"""Units of a service that gives a number of them for a day: reserved before they are spent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sonicgen.store.database import Database
from sonicgen.store.statements import load_statements

_SQL = load_statements("quota")

YOUTUBE = "youtube"


@dataclass(frozen=True, slots=True)
class Quota:
    """What is spent of a day; `is_exhausted` when the service itself said so, `resets_at` when the next day begins."""

    units: int
    unit_limit: int
    is_exhausted: bool
    resets_at: datetime


@dataclass(frozen=True, slots=True)
class Reservation:
    """Whether units may be spent; `units` is what is spent of the day then."""

    is_granted: bool
    units: int
    resets_at: datetime


def reserve(database: Database, service: str, units: int, limit: int, at: datetime | None = None) -> Reservation:
    """Reserve units of today (or of the day of `at`) and say whether they are granted; refused ones are not counted."""
    values = {"service": service, "units": units, "limit": limit, "at": at}
    row = database.execute(_SQL["reserve"], values).fetchall()[0]
    return Reservation(row["is_granted"], row["units"], row["resets_at"])


def exhaust(database: Database, service: str, limit: int, at: datetime | None = None) -> datetime:
    """Grant nothing more today, because the service said so; return when the next day begins."""
    row = database.execute(_SQL["exhaust"], {"service": service, "limit": limit, "at": at}).fetchall()[0]
    resets_at: datetime = row["resets_at"]
    return resets_at


def today(database: Database, service: str, limit: int, at: datetime | None = None) -> Quota:
    """Return what is spent of today (or of the day of `at`)."""
    row = database.execute(_SQL["today"], {"service": service, "limit": limit, "at": at}).fetchall()[0]
    return Quota(row["units"], row["unit_limit"], row["is_exhausted"], row["resets_at"])
