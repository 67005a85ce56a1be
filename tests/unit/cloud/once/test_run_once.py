"""Work that happens once: its outcome, its faults, answers that get lost."""

from __future__ import annotations

import time
from typing import Any

import pytest
from google.cloud import firestore

from sonicgen.cloud.ledger_entry import Outcome
from sonicgen.cloud.once import Claim, Ledger, run_once
from sonicgen.errors import InputError, LeaseHeldError, MediaError, SettingsError, UnavailableError
from tests.unit.cloud.once.entries import FUNCTION, SHORT, at_once, stored


def test_run_once_works_once_and_repeats_the_outcome(ledger: Ledger, key: str) -> None:
    calls: list[int] = []

    def work(claim: Claim) -> dict[str, Any]:
        calls.append(1)
        return {"n": claim.attempts}

    for _ in range(3):
        assert run_once(ledger, FUNCTION, key, work) == Outcome("done", {"n": 1})
    assert len(calls) == 1


def test_run_once_by_many_at_once_works_once(ledger: Ledger, key: str) -> None:
    calls: list[int] = []

    def work(_: Claim) -> dict[str, Any]:
        calls.append(1)
        time.sleep(0.2)
        return {}

    results = at_once(10, lambda _: run_once(ledger, FUNCTION, key, work))
    assert len(calls) == 1
    assert {type(result) for result in results} <= {Outcome, LeaseHeldError}


def test_run_once_records_a_fault_of_the_input(ledger: Ledger, key: str) -> None:
    def work(_: Claim) -> dict[str, Any]:
        raise MediaError("no_audio", "The file has no audio.")

    assert run_once(ledger, FUNCTION, key, work) == Outcome("failed", {}, "The file has no audio.")
    assert run_once(ledger, FUNCTION, key, lambda _: {}) == Outcome("failed", {}, "The file has no audio.")


@pytest.mark.parametrize("error", [UnavailableError("away"), KeyError("bug"), SettingsError("unset"), SystemExit(1)])
def test_run_once_gives_back_what_may_work_later(
    client: firestore.Client, ledger: Ledger, key: str, error: BaseException
) -> None:
    def work(_: Claim) -> dict[str, Any]:
        raise error

    with pytest.raises(type(error)):
        run_once(ledger, FUNCTION, key, work)
    content = stored(client, key)
    assert content["state"] == "released"
    assert content["reason"].startswith(type(error).__name__)
    assert run_once(ledger, FUNCTION, key, lambda claim: {"n": claim.attempts}).value == {"n": 2}


def test_run_once_cannot_record_over_a_successor(hasty: Ledger, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def freeze(_: Claim) -> dict[str, Any]:
        time.sleep(SHORT + 0.2)
        assert run_once(hasty, FUNCTION, key, lambda _: {"by": "the second"}).state == "done"
        return {"by": "the first"}

    monkeypatch.setattr(Claim, "heartbeat", lambda _: None)  # a machine that stands still
    with pytest.raises(LeaseHeldError):
        run_once(hasty, FUNCTION, key, freeze)
    assert hasty.claim(FUNCTION, key).already == Outcome("done", {"by": "the second"})


def test_writes_whose_answers_are_lost_count_once(ledger: Ledger, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library sends a commit again when its answer is lost; each one here arrives twice."""
    batch = firestore.WriteBatch
    commit, arrived = batch.commit, []

    def commit_twice(self: Any, **options: Any) -> Any:
        writes = list(self._write_pbs)
        arrived.append(commit(self, **options))
        self._add_write_pbs(writes)
        return commit(self, **options)

    monkeypatch.setattr(batch, "commit", commit_twice)
    claim = ledger.claim(FUNCTION, key)
    claim.heartbeat()
    assert claim.finish({"n": 1}) == Outcome("done", {"n": 1})
    monkeypatch.undo()
    assert len(arrived) >= 3
    again = ledger.claim(FUNCTION, key)
    assert (again.already, again.attempts) == (Outcome("done", {"n": 1}), 1)


def test_an_outcome_must_be_small_json(ledger: Ledger, key: str) -> None:
    claim = ledger.claim(FUNCTION, key)
    with pytest.raises(ValueError, match="bytes at most"):
        claim.finish({"text": "x" * 100_000})
    with pytest.raises(TypeError):
        claim.finish({"what": object()})
    assert claim.finish({"text": "x"}).state == "done"


def test_input_errors_raised_by_hand_are_for_good(ledger: Ledger, key: str) -> None:
    def work(_: Claim) -> dict[str, Any]:
        raise InputError("The channel does not exist.")

    assert run_once(ledger, FUNCTION, key, work).reason == "The channel does not exist."
