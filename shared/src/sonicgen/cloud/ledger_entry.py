"""What the event ledger says of one event."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from google.cloud import firestore

State = Literal["claimed", "released", "done", "failed"]


@dataclass(frozen=True)
class Outcome:
    """How the work on an event ended: `value` when done, `reason` when it failed for good."""

    state: Literal["done", "failed"]
    value: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None


@dataclass(frozen=True)
class Entry:
    """One event in the ledger, as Firestore showed it at `read_at`."""

    function: str
    key: str
    state: State
    owner: str
    attempts: int
    outcome: dict[str, Any]
    reason: str | None
    lease_seconds: float
    written_at: datetime
    read_at: datetime
    expires_at: datetime | None

    @property
    def ended(self) -> Outcome | None:
        """The outcome, None while the work is open or when it ended so long ago that it counts as forgotten."""
        if self.state not in {"done", "failed"} or (self.expires_at is not None and self.expires_at <= self.read_at):
            return None
        return Outcome("done" if self.state == "done" else "failed", self.outcome, self.reason)

    @property
    def leased(self) -> bool:
        """Whether somebody held a live lease at `read_at`."""
        return self.state == "claimed" and self.age_seconds <= self.lease_seconds

    @property
    def age_seconds(self) -> float:
        """How long before `read_at` the entry was written: for a claim, since it was made or renewed."""
        return (self.read_at - self.written_at).total_seconds()


def read_entry(snapshot: firestore.DocumentSnapshot) -> Entry:
    """Return the entry that a document of the ledger holds."""
    content = snapshot.to_dict()
    return Entry(
        function=content["function"],
        key=content["key"],
        state=content["state"],
        owner=content["owner"],
        attempts=content["attempts"],
        outcome=json.loads(content["outcome"]) if content.get("outcome") else {},
        reason=content.get("reason"),
        lease_seconds=content["lease_seconds"],
        written_at=snapshot.update_time,
        read_at=snapshot.read_time,
        expires_at=content.get("expires_at"),
    )
