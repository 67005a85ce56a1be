from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Self

import pytest
from google.api_core import exceptions
from google.cloud import firestore

from sonicgen.cloud.documents import close_client, document_id
from sonicgen.cloud.ledger_entry import Outcome
from sonicgen.cloud.once import LEDGER_COLLECTION, Claim, Ledger, run_once
from sonicgen.errors import InputError, LeaseHeldError, MediaError, SettingsError, UnavailableError
from sonicgen.local.firestore.threaded import ThreadedFirestore

LONG = 60.0
SHORT = 1.5
FUNCTION = "fingerprint_match"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[firestore.Client]:
    database = Path(tmp_path_factory.mktemp("ledger")) / "documents.sqlite"
    with ThreadedFirestore(database) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIRESTORE_EMULATOR_HOST", server.address)
        made = firestore.Client(project="test")
        yield made
        close_client(made)


@pytest.fixture
def ledger(client: firestore.Client) -> Ledger:
    return Ledger(client, lease_seconds=LONG)


@pytest.fixture
def hasty(client: firestore.Client) -> Ledger:
    return Ledger(client, lease_seconds=SHORT)


@pytest.fixture
def key() -> str:
    return f"inbox/{uuid.uuid4().hex}.mp3#1"


def stored(client: firestore.Client, key: str) -> dict[str, Any]:
    content: dict[str, Any] = client.collection(LEDGER_COLLECTION).document(document_id(FUNCTION, key)).get().to_dict()
    return content


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Run the work in threads that start together; return each one's result or error."""
    gate = threading.Barrier(count)

    def run(number: int) -> Any:
        gate.wait()
        try:
            return work(number)
        except Exception as error:  # the errors are what the tests look at
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


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


def test_a_silent_firestore_is_unavailable(client: firestore.Client, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: Any, **__: Any) -> None:
        raise exceptions.ServiceUnavailable("away")

    monkeypatch.setattr(firestore.DocumentReference, "create", silent)
    with pytest.raises(UnavailableError, match="claiming"):
        Ledger(client, lease_seconds=LONG).claim(FUNCTION, key)


PROCESS = """
import sys, time
from google.cloud import firestore
from sonicgen.cloud.documents import close_client
from sonicgen.cloud.once import Ledger, run_once
from sonicgen.errors import LeaseHeldError
key, log, lease, linger = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
client = firestore.Client(project="test")
print("ready", flush=True)
sys.stdin.readline()
def work(claim):
    with open(log, "a") as file:
        file.write("worked\\n")
    time.sleep(linger)
    return {}
try:
    run_once(Ledger(client, lease_seconds=lease), "fingerprint_match", key, work)
    print("done", flush=True)
except LeaseHeldError:
    print("held", flush=True)
close_client(client)
"""


def worker(key: str, log: Path, lease: float, linger: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROCESS, key, str(log), str(lease), str(linger)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_exactly_one_of_many_processes_works(client: firestore.Client, key: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    processes = [worker(key, log, LONG, 0.3) for _ in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=30)[0].strip() for process in processes]
    assert answers.count("done") >= 1
    assert set(answers) <= {"done", "held"}
    assert log.read_text() == "worked\n"


def test_the_event_of_a_killed_process_is_worked_on_after_its_lease(hasty: Ledger, key: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with worker(key, log, SHORT, 60) as process:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        while not log.exists():
            time.sleep(0.02)
        time.sleep(SHORT * 1.5)  # it lives and renews
        with pytest.raises(LeaseHeldError):
            hasty.claim(FUNCTION, key)
        os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(LeaseHeldError):
        hasty.claim(FUNCTION, key)
    time.sleep(SHORT + 0.1)
    assert run_once(hasty, FUNCTION, key, lambda claim: {"n": claim.attempts}).value == {"n": 2}


def test_input_errors_raised_by_hand_are_for_good(ledger: Ledger, key: str) -> None:
    def work(_: Claim) -> dict[str, Any]:
        raise InputError("The channel does not exist.")

    assert run_once(ledger, FUNCTION, key, work).reason == "The channel does not exist."
