"""The ledger between processes, one of them killed, and a Firestore that says nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import firestore

from sonicgen.cloud.once import Ledger, run_once
from sonicgen.errors import LeaseHeldError, UnavailableError
from tests.unit.cloud.once.entries import FUNCTION, LONG, SHORT


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
