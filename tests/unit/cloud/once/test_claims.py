"""Who holds an event, for how long, and what is remembered of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from typing import Any, Self

import pytest
from google.cloud import firestore

from sonicgen.cloud.ledger_entry import Outcome
from sonicgen.cloud.once import Claim, Ledger, run_once
from sonicgen.errors import LeaseHeldError
from tests.unit.cloud.once.entries import FUNCTION, LONG, SHORT, at_once, stored


def test_a_claim_is_held_until_finished_and_then_remembered(ledger: Ledger, key: str) -> None:
    claim = ledger.claim(FUNCTION, key)
    assert (claim.already, claim.attempts) == (None, 1)
    with pytest.raises(LeaseHeldError):
        ledger.claim(FUNCTION, key)
    assert claim.finish({"matches": [[1, 2], [3]]}) == Outcome("done", {"matches": [[1, 2], [3]]})
    assert ledger.claim(FUNCTION, key).already == Outcome("done", {"matches": [[1, 2], [3]]})


def test_functions_and_keys_do_not_mix(ledger: Ledger, key: str) -> None:
    ledger.claim(FUNCTION, key)
    ledger.claim(FUNCTION, key + "0")
    ledger.claim("speaker_clips", key)


def test_the_entry_can_be_read_by_people(client: firestore.Client, ledger: Ledger, key: str) -> None:
    ledger.claim(FUNCTION, key)
    content = stored(client, key)
    assert (content["function"], content["key"], content["state"]) == (FUNCTION, key, "claimed")
    assert 0 < (content["lease_expires_at"] - content["claimed_at"]).total_seconds() < LONG + 5
    assert content["expires_at"] is None


def test_a_failure_is_for_good_and_listed(ledger: Ledger, key: str) -> None:
    ledger.claim(FUNCTION, key).fail("The file is empty.")
    assert ledger.claim(FUNCTION, key).already == Outcome("failed", {}, "The file is empty.")
    assert key in {entry.key for entry in ledger.failures()}


def test_a_release_lets_the_next_one_in_at_once(ledger: Ledger, key: str) -> None:
    ledger.claim(FUNCTION, key).release("The database is away.")
    second = ledger.claim(FUNCTION, key)
    assert (second.already, second.attempts) == (None, 2)


def test_exactly_one_of_many_threads_gets_a_new_event(ledger: Ledger, key: str) -> None:
    results = at_once(10, lambda _: ledger.claim(FUNCTION, key))
    assert sorted(type(result).__name__ for result in results) == ["Claim"] + ["LeaseHeldError"] * 9


def test_exactly_one_of_many_takes_over_an_expired_lease(hasty: Ledger, key: str) -> None:
    first = hasty.claim(FUNCTION, key)
    time.sleep(SHORT + 0.1)
    results = at_once(10, lambda _: hasty.claim(FUNCTION, key))
    (winner,) = [result for result in results if isinstance(result, Claim)]
    assert sum(isinstance(result, LeaseHeldError) for result in results) == 9
    assert (winner.attempts, winner.owner != first.owner) == (2, True)


@pytest.mark.parametrize(
    "act",
    [
        lambda claim: claim.finish({"by": "the first"}),
        lambda claim: claim.fail("by the first"),
        lambda claim: claim.heartbeat(),
        lambda claim: claim.release(),
    ],
    ids=["finish", "fail", "heartbeat", "release"],
)
def test_an_owner_that_lost_its_lease_changes_nothing(
    client: firestore.Client, hasty: Ledger, key: str, act: Callable[[Claim], Any]
) -> None:
    first = hasty.claim(FUNCTION, key)
    time.sleep(SHORT + 0.1)
    with pytest.raises(LeaseHeldError):
        first.ensure_held()
    second = hasty.claim(FUNCTION, key)
    before = stored(client, key)
    with pytest.raises(LeaseHeldError):
        act(first)
    assert stored(client, key) == before
    assert second.finish({"by": "the second"}).value == {"by": "the second"}
    with pytest.raises(LeaseHeldError):
        act(first)
    assert hasty.claim(FUNCTION, key).already == Outcome("done", {"by": "the second"})


def test_a_late_owner_may_finish_while_nobody_took_over(hasty: Ledger, key: str) -> None:
    claim = hasty.claim(FUNCTION, key)
    time.sleep(SHORT + 0.1)
    assert claim.finish({}).state == "done"


def test_heartbeats_keep_the_lease_while_work_is_longer_than_it(hasty: Ledger, key: str) -> None:
    def work(claim: Claim) -> dict[str, Any]:
        for _ in range(8):
            time.sleep(SHORT / 4)
            claim.ensure_held()
            with pytest.raises(LeaseHeldError):
                hasty.claim(FUNCTION, key)
        return {"waited": True}

    assert run_once(hasty, FUNCTION, key, work).value == {"waited": True}


@pytest.mark.parametrize("hours", [-48.0, 48.0])
def test_a_wrong_clock_of_a_worker_makes_no_second_owner(
    client: firestore.Client, ledger: Ledger, key: str, hours: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Skewed(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(hours=hours)

    ledger.claim(FUNCTION, key)
    monkeypatch.setattr("sonicgen.cloud.once.datetime", Skewed)
    with pytest.raises(LeaseHeldError):
        ledger.claim(FUNCTION, key)
    other = f"{key}0"
    ledger.claim(FUNCTION, other)  # an estimate that is two days wrong
    monkeypatch.undo()
    with pytest.raises(LeaseHeldError):
        ledger.claim(FUNCTION, other)


def test_an_outcome_is_forgotten_after_its_retention(client: firestore.Client, key: str) -> None:
    forgetful = Ledger(client, lease_seconds=LONG, retention_seconds=0.3)
    forgetful.claim(FUNCTION, key).finish({"n": 1})
    assert forgetful.claim(FUNCTION, key).already == Outcome("done", {"n": 1})
    time.sleep(0.4)
    claim = forgetful.claim(FUNCTION, key)
    assert (claim.already, stored(client, key)["outcome"]) == (None, None)


def test_reopen_lets_an_event_run_again(ledger: Ledger, key: str) -> None:
    assert not ledger.reopen(FUNCTION, key)
    claim = ledger.claim(FUNCTION, key)
    with pytest.raises(LeaseHeldError):
        ledger.reopen(FUNCTION, key)
    claim.fail("The file is empty.")
    assert ledger.reopen(FUNCTION, key)
    assert run_once(ledger, FUNCTION, key, lambda claim: {"attempt": claim.attempts}).value == {"attempt": 2}
