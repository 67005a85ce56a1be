"""The event ledger: every effect happens once, however often its event comes.

A document per function and event says who works on it and how it ended. Two rules make that safe:

- *A write holds only if nobody wrote since.* Each one carries the `update_time` of the version it follows, which makes
  it a transaction over one document in a single call. An owner that lost its lease cannot renew, finish or fail.
- *Only Firestore's clock counts.* A lease is over when the `read_time` of a reading lies more than `lease_seconds`
  after the `update_time` that the claim or the last renewal was given. Both come from Firestore, which never lets them
  run backwards, so a worker whose clock is wrong or jumps neither steals a lease nor keeps one. `lease_expires_at` is
  an estimate for people and sweeps; nothing is decided by it.

A worker that stood still past its lease (a frozen machine) can overlap with its successor until its next call. It
cannot record a result then; `Claim.ensure_held` lets long work notice earlier.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from google.api_core import exceptions
from google.cloud import firestore

from sonicgen.cloud.documents import PATIENCE_SECONDS, call_options, document_id, explained
from sonicgen.cloud.ledger_entry import Entry, Outcome, State, read_entry
from sonicgen.errors import InputError, LeaseHeldError, SettingsError, SonicGenError, TransientError

logger = logging.getLogger(__name__)

LEDGER_COLLECTION = "event_ledger"
# Pub/Sub keeps a message for 7 days and a dead letter for up to 31; later than that nothing can come again.
RETENTION_SECONDS = 31 * 86_400.0
# Work that hangs must not be renewed for ever; the longest step, a job over a long recording, takes a fraction of this.
_LONGEST_WORK_SECONDS = 6 * 3600.0
# Renewals per lease: two may be lost before the lease is.
_RENEWALS = 3
# Each lost race means that somebody else won it; more than a few in a row do not happen.
_ROUNDS = 5
_OUTCOME_BYTES = 64 * 1024
_REASON_CHARACTERS = 1000


class Ledger:
    """The event ledger of one Firestore database."""

    def __init__(
        self, client: firestore.Client, *, lease_seconds: float, retention_seconds: float = RETENTION_SECONDS
    ) -> None:
        self._client = client
        self.lease_seconds = lease_seconds
        self.retention_seconds = retention_seconds

    def claim(self, function: str, key: str) -> Claim:
        """Take the lease on an event; `already` is set instead when its work ended before.

        Raises LeaseHeldError while another worker holds it (fail, so that the event comes again), UnavailableError.
        """
        reference = self._reference(function, key)
        owner = secrets.token_hex(16)
        with explained(f"claiming {key} for {function}"):
            for _ in range(_ROUNDS):
                claim = self._claim_once(reference, function, key, owner)
                if claim is not None:
                    return claim
        raise LeaseHeldError(f"Others are claiming {key} for {function} right now; let the event come again.")

    def _claim_once(self, reference: firestore.DocumentReference, function: str, key: str, owner: str) -> Claim | None:
        """Try to create the entry, else judge the one that is there; None when somebody changed it meanwhile."""
        held = partial(Claim, self, reference, function, key, owner, time.monotonic())
        fresh = {"function": function, "key": key, **self._claimed(owner, attempts=1)}
        try:
            return held(reference.create(fresh, **self._options()).update_time, 1)
        except exceptions.AlreadyExists:
            entry = self.read(function, key)
        if entry is None:
            return None
        if entry.owner == owner and entry.state == "claimed":
            # Our own write, whose first answer was lost.
            return held(entry.written_at, entry.attempts)
        if entry.ended is not None:
            return held(entry.written_at, entry.attempts, already=entry.ended)
        if entry.leased:
            raise LeaseHeldError(f"Another worker is at {key} for {function}; let the event come again.")
        attempts = entry.attempts + 1
        unchanged = self._client.write_option(last_update_time=entry.written_at)
        try:
            written = reference.update(self._claimed(owner, attempts), option=unchanged, **self._options())
        except (exceptions.FailedPrecondition, exceptions.NotFound):
            return None
        return held(written.update_time, attempts)

    def read(self, function: str, key: str) -> Entry | None:
        """Return the entry of an event, None when it never came. Raises UnavailableError."""
        with explained(f"reading the ledger entry of {key} for {function}"):
            snapshot = self._reference(function, key).get(**self._options())
        return read_entry(snapshot) if snapshot.exists else None

    def failures(self, limit: int = 100) -> list[Entry]:
        """Return entries that failed for good, at most `limit`. Raises UnavailableError."""
        failed = firestore.FieldFilter("state", "==", "failed")
        query = self._client.collection(LEDGER_COLLECTION).where(filter=failed).limit(limit)
        with explained("listing the failures in the ledger"):
            return [read_entry(snapshot) for snapshot in query.get(**self._options())]

    def reopen(self, function: str, key: str) -> bool:
        """Let an event that ended be worked on again; False when the ledger has no such event.

        Raises LeaseHeldError while a worker holds it, ConflictError when somebody changed it meanwhile.
        """
        entry = self.read(function, key)
        if entry is None:
            return False
        if entry.leased:
            raise LeaseHeldError(f"A worker is at {key} for {function}; wait for it before you replay.")
        unchanged = self._client.write_option(last_update_time=entry.written_at)
        with explained(f"reopening {key} for {function}"):
            self._reference(function, key).update(_released(None), option=unchanged, **self._options())
        return True

    def _reference(self, function: str, key: str) -> firestore.DocumentReference:
        return self._client.collection(LEDGER_COLLECTION).document(document_id(function, key))

    def _options(self) -> dict[str, Any]:
        # A call must be over before the lease is, with time for a second one.
        return call_options(min(PATIENCE_SECONDS, self.lease_seconds / _RENEWALS))

    def _claimed(self, owner: str, attempts: int) -> dict[str, Any]:
        return {
            "state": "claimed",
            "owner": owner,
            "attempts": attempts,
            "lease_seconds": self.lease_seconds,
            "lease_expires_at": datetime.now(UTC) + timedelta(seconds=self.lease_seconds),
            "claimed_at": firestore.SERVER_TIMESTAMP,
            "renewed_at": firestore.SERVER_TIMESTAMP,
            "finished_at": None,
            "outcome": None,
            "expires_at": None,
        }


class Claim:
    """The right to work on one event, for as long as its lease is renewed."""

    def __init__(
        self,
        ledger: Ledger,
        reference: firestore.DocumentReference,
        function: str,
        key: str,
        owner: str,
        sent_at: float,
        written_at: datetime,
        attempts: int,
        *,
        already: Outcome | None = None,
    ) -> None:
        self.function = function
        self.key = key
        self.owner = owner
        self.attempts = attempts
        self.already = already
        self._ledger = ledger
        self._reference = reference
        self._written_at = written_at  # by Firestore's clock
        self._sent_at = sent_at  # by this process's monotonic clock, before the write that got `_written_at`
        self._lost = already is not None
        self._writing = threading.RLock()

    def ensure_held(self) -> None:
        """Raise LeaseHeldError unless the lease is surely still ours; for long work, before an effect."""
        if self._lost or time.monotonic() - self._sent_at > self._ledger.lease_seconds:
            raise self._lost_error()

    def heartbeat(self) -> None:
        """Renew the lease from now on. Raises LeaseHeldError when another worker has it, UnavailableError."""
        expected = self._server_now() + timedelta(seconds=self._ledger.lease_seconds)
        self._write("claimed", {"renewed_at": firestore.SERVER_TIMESTAMP, "lease_expires_at": expected})

    def finish(self, outcome: dict[str, Any]) -> Outcome:
        """Record that the work is done. Raises LeaseHeldError, recording nothing, when the lease was lost."""
        encoded = json.dumps(outcome, separators=(",", ":"), allow_nan=False)
        if len(encoded.encode()) > _OUTCOME_BYTES:
            raise ValueError(f"an outcome has {_OUTCOME_BYTES} bytes at most; keep large results elsewhere")
        # As text: Firestore refuses arrays within arrays.
        self._write("done", {"outcome": encoded, "reason": None, **self._ending()})
        return Outcome("done", json.loads(encoded))

    def fail(self, reason: str) -> Outcome:
        """Record that the work can never succeed, and why. Raises LeaseHeldError when the lease was lost."""
        reason = reason[:_REASON_CHARACTERS]
        self._write("failed", {"reason": reason, **self._ending()})
        return Outcome("failed", reason=reason)

    def release(self, reason: str | None = None) -> None:
        """Give the lease back unfinished: the next delivery may claim at once. Raises LeaseHeldError if lost."""
        self._write("released", _released(reason))

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Renew the lease from a thread while the block runs."""
        ended = threading.Event()
        thread = threading.Thread(target=self._keep, args=(ended,), name=f"lease-{self.owner[:8]}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()  # a renewal under way ends within a third of the lease

    def _keep(self, ended: threading.Event) -> None:
        give_up_at = time.monotonic() + _LONGEST_WORK_SECONDS
        while not ended.wait(self._ledger.lease_seconds / _RENEWALS):
            if time.monotonic() > give_up_at:
                logger.error("The work on %s for %s takes too long; its lease is not renewed.", self.key, self.function)
                return
            try:
                self.heartbeat()
            except LeaseHeldError:
                return
            except SonicGenError as error:
                logger.warning("The lease on %s could not be renewed yet: %s", self.key, error)

    def _write(self, state: State, changes: dict[str, Any]) -> None:
        with self._writing, explained(f"writing the ledger entry of {self.key}"):
            for _ in range(_ROUNDS):
                if self._lost:
                    break
                sent_at = time.monotonic()
                unchanged = self._ledger._client.write_option(last_update_time=self._written_at)
                try:
                    written = self._reference.update(
                        {"state": state, **changes}, option=unchanged, **self._ledger._options()
                    )
                except (exceptions.FailedPrecondition, exceptions.NotFound):
                    if self._is_written(state):
                        return
                    continue
                self._written_at, self._sent_at, self._lost = written.update_time, sent_at, state != "claimed"
                return
        raise self._lost_error()

    def _is_written(self, state: State) -> bool:
        """After a refused write: say whether it had arrived before its answer was lost; notice a lost lease."""
        asked_at = time.monotonic()
        entry = self._ledger.read(self.function, self.key)
        if entry is None or entry.owner != self.owner or entry.state not in {"claimed", state}:
            self._lost = True
            return False
        self._lost = entry.state != "claimed"
        self._written_at, self._sent_at = entry.written_at, asked_at - entry.age_seconds
        # An older renewal of ours is no proof that this one arrived.
        return entry.state == state and (self._lost or entry.age_seconds < self._ledger.lease_seconds / _RENEWALS)

    def _ending(self) -> dict[str, Any]:
        expires_at = self._server_now() + timedelta(seconds=self._ledger.retention_seconds)
        return {"finished_at": firestore.SERVER_TIMESTAMP, "lease_expires_at": None, "expires_at": expires_at}

    def _server_now(self) -> datetime:
        return self._written_at + timedelta(seconds=time.monotonic() - self._sent_at)

    def _lost_error(self) -> LeaseHeldError:
        return LeaseHeldError(
            f"The lease on {self.key} for {self.function} is no longer ours; let the event come again."
        )


def run_once(ledger: Ledger, function: str, key: str, work: Callable[[Claim], dict[str, Any]]) -> Outcome:
    """Do the work of an event unless that happened before, and return how it ended, then or now.

    `work` gets the claim and returns a small JSON object, which every repetition of the event gets again. An InputError
    from it is recorded as a failure for good and returned: the caller acknowledges the event. Everything else gives the
    lease back and is raised, so that the event comes again; so is a SettingsError, for which the event is not to blame.

    Raises LeaseHeldError, UnavailableError, and what `work` raises.
    """
    claim = ledger.claim(function, key)
    if claim.already is not None:
        return claim.already
    try:
        with claim.kept():
            result = work(claim)
    except InputError as error:
        if isinstance(error, SettingsError):
            _give_back(claim, error)
            raise
        return claim.fail(str(error))
    except BaseException as error:
        _give_back(claim, error)
        raise
    return claim.finish(result)


def _give_back(claim: Claim, error: BaseException) -> None:
    # When this fails too, the lease runs out by itself; the error of the work is the one to tell.
    with suppress(TransientError):
        claim.release(f"{type(error).__name__}: {error}")


def _released(reason: str | None) -> dict[str, Any]:
    reason = reason[:_REASON_CHARACTERS] if reason else None
    return {"state": "released", "reason": reason, "lease_expires_at": None, "expires_at": None}
