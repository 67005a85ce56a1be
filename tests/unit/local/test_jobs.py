"""Google's own client against the embedded Cloud Run Jobs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sonicgen import settings as settings_module
from sonicgen.cloud.jobs import run_job
from sonicgen.errors import SettingsError, UnavailableError
from sonicgen.local.jobs import TRIES, JobsServer
from sonicgen.local.supervisor import free_port

# A job that writes down its arguments and ends as the last of them says.
PROGRAM = """
import os, sys
with open(os.environ["NOTES"], "a") as file:
    file.write(" ".join(sys.argv[1:]) + "\\n")
sys.exit(int(sys.argv[-1]))
"""


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """Where the job writes."""
    return tmp_path / "notes"


@pytest.fixture
def jobs(tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobsServer]:
    """The server with that job in it, and settings that lead to it."""
    (tmp_path / "noting_job.py").write_text(PROGRAM)
    environment = {"NOTES": str(notes), "PYTHONPATH": f"{tmp_path}:{':'.join(sys.path)}"}
    server = JobsServer(0, tmp_path / "log", lambda: environment, {"noting": "noting_job"})
    server.start()
    monkeypatch.setenv("SONICGEN_JOBS_ENDPOINT", f"127.0.0.1:{server.port}")
    settings_module.settings.cache_clear()
    yield server
    server.stop()
    settings_module.settings.cache_clear()


def wait_for(notes: Path, lines: int) -> list[str]:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = notes.read_text().splitlines() if notes.exists() else []
        if len(found) >= lines:
            break
        time.sleep(0.05)
    time.sleep(0.2)
    return notes.read_text().splitlines()


def test_a_job_runs_with_its_arguments(jobs: JobsServer, notes: Path) -> None:
    run_job("noting", ["a b", "0"])
    run_job("noting", ["c", "0"])
    assert wait_for(notes, 2) == ["a b 0", "c 0"]


def test_a_job_that_fails_is_started_again(jobs: JobsServer, notes: Path) -> None:
    run_job("noting", ["1"])
    run_job("noting", ["0"])
    assert wait_for(notes, TRIES + 1) == ["1"] * TRIES + ["0"]


def test_a_run_in_several_tasks(jobs: JobsServer, notes: Path, tmp_path: Path) -> None:
    (tmp_path / "noting_job.py").write_text(
        "import os\n"
        "said = [os.environ[f'CLOUD_RUN_{n}'] for n in ('EXECUTION', 'TASK_INDEX', 'TASK_COUNT')]\n"
        "open(os.environ['NOTES'], 'a').write(' '.join(said) + '\\n')\n"
    )
    run_job("noting", ["x"], tasks=3)
    told = [line.split() for line in wait_for(notes, 3)]
    assert sorted(line[1:] for line in told) == [["0", "3"], ["1", "3"], ["2", "3"]]
    assert len({line[0] for line in told}) == 1


def test_a_long_run_keeps_no_other_job_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = tmp_path / "notes"
    (tmp_path / "long_job.py").write_text("import time\ntime.sleep(60)")
    (tmp_path / "short_job.py").write_text(f"open({str(notes)!r}, 'a').write('short\\n')")
    environment = {"PYTHONPATH": f"{tmp_path}:{':'.join(sys.path)}"}
    server = JobsServer(0, tmp_path / "log", lambda: environment, {"long": "long_job", "short": "short_job"})
    server.start()
    monkeypatch.setenv("SONICGEN_JOBS_ENDPOINT", f"127.0.0.1:{server.port}")
    settings_module.settings.cache_clear()
    run_job("long", [])
    run_job("short", [])
    assert wait_for(notes, 1) == ["short"]
    server.stop()
    settings_module.settings.cache_clear()


def test_what_is_not_there(jobs: JobsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="There is no job other"):
        run_job("other", [])
    monkeypatch.setenv("SONICGEN_JOBS_ENDPOINT", f"127.0.0.1:{free_port()}")
    settings_module.settings.cache_clear()
    with pytest.raises(UnavailableError):
        run_job("noting", [])
