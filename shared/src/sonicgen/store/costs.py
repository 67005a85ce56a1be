"""The books: seconds transcribed, inherited and omitted, and what they cost or saved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal
from uuid import UUID

from sonicgen.store.database import Connection, Database
from sonicgen.store.statements import load_statements

_SQL = load_statements("costs")

Kind = Literal["transcribed", "inherited", "omitted"]
Grouping = Literal["recording", "channel", "day"]
_STATEMENTS: dict[Grouping, str] = {"recording": "by_recording", "channel": "by_channel", "day": "by_day"}


@dataclass(frozen=True, slots=True)
class Price:
    """What an hour of sound costs."""

    per_hour: Decimal
    currency: str

    def of(self, seconds: float) -> Decimal:
        """Return what so many seconds cost, to a millionth."""
        return (self.per_hour * Decimal(str(round(seconds, 3))) / 3600).quantize(Decimal("0.000001"))


@dataclass(frozen=True, slots=True)
class CostLine:
    """One recording, channel or day; `saved` is what inherited and omitted seconds would have cost."""

    key: str
    title: str
    currency: str
    transcribed_seconds: float
    inherited_seconds: float
    omitted_seconds: float
    spent: Decimal
    saved: Decimal

    @property
    def saved_seconds(self) -> float:
        """Seconds that were not sent to a provider."""
        return self.inherited_seconds + self.omitted_seconds

    def to_json(self) -> dict[str, object]:
        """Return the documented form; money as text, so that nothing is rounded."""
        return {
            "key": self.key,
            "title": self.title,
            "transcribed_seconds": round(self.transcribed_seconds, 3),
            "inherited_seconds": round(self.inherited_seconds, 3),
            "saved_seconds": round(self.saved_seconds, 3),
            "spent": f"{self.spent:f}",
            "saved": f"{self.saved:f}",
            "currency": self.currency,
        }


def book(
    connection: Connection,
    key: str,
    video_id: UUID,
    kind: Kind,
    seconds: float,
    *,
    day: date,
    price: Price,
    provider: str,
) -> None:
    """Book seconds once: the same key again pays nothing more, and corrects what was saved."""
    values = {
        "key": key,
        "day": day,
        "video_id": video_id,
        "kind": kind,
        "seconds": seconds,
        "price_per_hour": price.per_hour,
        "amount": price.of(seconds),
        "currency": price.currency,
        "provider": provider,
    }
    connection.execute(_SQL["book"], values)


def totals(database: Database, by: Grouping, first_day: date, last_day: date) -> list[CostLine]:
    """Return the books of some days, one line a recording, channel or day (and currency)."""
    rows = database.execute(_SQL[_STATEMENTS[by]], {"first_day": first_day, "last_day": last_day}).fetchall()
    return [
        CostLine(
            key=row["key"],
            title=row["title"],
            currency=row["currency"],
            transcribed_seconds=row["transcribed_seconds"] or 0.0,
            inherited_seconds=row["inherited_seconds"] or 0.0,
            omitted_seconds=row["omitted_seconds"] or 0.0,
            spent=row["spent"] or Decimal(0),
            saved=row["saved"] or Decimal(0),
        )
        for row in rows
    ]
