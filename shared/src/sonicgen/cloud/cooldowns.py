"""Whom we leave alone for a while: a site that checks for robots, or that we asked too often, from one way out.

One document per host and way out (direct, or through a proxy), for all workers. Each time a site complains after a
pause, the next pause is longer. Only Firestore's clock counts, as in the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from google.api_core import exceptions
from google.cloud import firestore

from sonicgen.cloud.documents import call_options, document_id, explained
from sonicgen.domain.download import RULES, DownloadReason
from sonicgen.errors import UnavailableError

COLLECTION = "cooldowns"
# A site that has had nothing to complain about for so long is treated as new.
_FORGOTTEN_AFTER = timedelta(days=2)
_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause that lasts; `strikes` counts the complaints in a row."""

    until: datetime
    reason: DownloadReason
    strikes: int


class Cooldowns:
    """The pauses of one Firestore database, seen from one way out."""

    def __init__(self, client: firestore.Client, egress: str) -> None:
        self._client = client
        self._egress = egress

    def active(self, host: str) -> Pause | None:
        """Return the pause that a host is given right now, None when it may be asked. Raises UnavailableError."""
        with explained(f"reading the pause of {host}"):
            snapshot = self._reference(host).get(**call_options())
        pause = _read(snapshot)
        return pause if pause is not None and pause.until > snapshot.read_time else None

    def pause(self, host: str, reason: DownloadReason) -> Pause:
        """Leave a host alone, longer than the last time; a pause that lasts already stays as it is.

        Raises UnavailableError.
        """
        reference = self._reference(host)
        with explained(f"pausing {host}"):
            for _ in range(_ROUNDS):
                snapshot = reference.get(**call_options())
                before, now = _read(snapshot), snapshot.read_time
                if before is not None and before.until > now:
                    return before
                recent = before is not None and now - before.until < _FORGOTTEN_AFTER
                strikes = before.strikes + 1 if before is not None and recent else 1
                waits = RULES[reason].waits_seconds
                until = now + timedelta(seconds=waits[min(strikes, len(waits)) - 1])
                content = {
                    "host": host, "egress": self._egress, "reason": str(reason), "strikes": strikes, "until": until,
                    "expires_at": until + _FORGOTTEN_AFTER,
                }  # fmt: skip
                try:
                    if snapshot.exists:
                        unchanged = self._client.write_option(last_update_time=snapshot.update_time)
                        reference.update(content, option=unchanged, **call_options())
                    else:
                        reference.create(content, **call_options())
                except (exceptions.FailedPrecondition, exceptions.AlreadyExists, exceptions.NotFound):
                    continue  # somebody else was faster; their pause may be the one
                return Pause(until, reason, strikes)
        raise UnavailableError(f"Too many pause {host} at once; try again.")

    def lift(self, host: str) -> None:
        """Forget a host's complaints: it answered."""
        with explained(f"lifting the pause of {host}"):
            self._reference(host).delete(**call_options())

    def _reference(self, host: str) -> firestore.DocumentReference:
        return self._client.collection(COLLECTION).document(document_id(host, self._egress))


def _read(snapshot: firestore.DocumentSnapshot) -> Pause | None:
    if not snapshot.exists:
        return None
    return Pause(snapshot.get("until"), DownloadReason(snapshot.get("reason")), snapshot.get("strikes"))
