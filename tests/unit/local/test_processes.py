"""Children are kept running, and go when they are told or when their parent dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sonicgen.errors import LocalError
from sonicgen.local.processes import Crew, Program

SLEEP = (sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)")


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    made = Crew(tmp_path)
    yield made
    made.stop()


def wait_until(is_true: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_child_that_is_killed_is_started_again(crew: Crew) -> None:
    child = crew.start(Program("sleeper", SLEEP))
    first = child.pid
    assert first is not None
    wait_until(lambda: "up" in child.last_words())
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: child.pid not in (None, first))
    assert child.restarts == 1
    wait_until(lambda: child.last_words().count("up") == 2)


def test_stop_ends_every_child(tmp_path: Path) -> None:
    crew = Crew(tmp_path)
    pids = [crew.start(Program(f"sleeper {n}", SLEEP)).pid for n in range(3)]
    crew.stop()
    assert not any(is_alive(pid) for pid in pids if pid)


def test_a_child_that_ignores_its_signal_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sonicgen.local.processes.STOP_SECONDS", 0.3)
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    crew = Crew(tmp_path)
    child = crew.start(Program("stubborn", (sys.executable, "-c", stubborn)))
    pid = child.pid
    wait_until(lambda: "deaf" in child.last_words())
    crew.stop()
    assert pid is not None
    assert not is_alive(pid)


def test_what_cannot_be_started_is_said(crew: Crew) -> None:
    with pytest.raises(LocalError, match="missing cannot be started"):
        crew.start(Program("missing", ("/nonexistent/program",)))


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's own")
def test_children_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from sonicgen.local.processes import *;"
        f"crew = Crew(Path({str(tmp_path)!r}));"
        f"print(crew.start(Program('sleeper', {SLEEP!r})).pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.kill()
    wait_until(lambda: not is_alive(pid))


def test_a_log_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sonicgen.local.processes.LOG_LIMIT_BYTES", 10)
    (tmp_path / "sleeper.log").write_text("much more than ten bytes")
    crew = Crew(tmp_path)
    crew.start(Program("sleeper", SLEEP))
    crew.stop()
    assert (tmp_path / "sleeper.old.log").read_text() == "much more than ten bytes"
    assert "much more" not in (tmp_path / "sleeper.log").read_text()
