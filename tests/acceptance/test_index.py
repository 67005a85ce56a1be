"""`sonicgen index`: a folder goes in, again changes nothing, and an interrupted run goes on."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from functools import partial
from pathlib import Path

import pytest

from sonicgen.domain.recording import MatchStatus
from sonicgen.local.demo_sounds import write_sound
from tests.acceptance.conftest import COMMAND, Cloud, clean_environment, sound, wait_for

SEEDS = range(940, 946)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of six recordings in two folders, with what else lies in archives."""
    folder = tmp_path_factory.mktemp("archive")
    (folder / "1998").mkdir()
    for seed in SEEDS:
        write_sound(folder / ("1998" if seed % 2 else ".") / f"tape {seed}.mp3", sound(seed, 12))
    (folder / "cover.jpg").write_bytes(b"\xff\xd8\xff")
    (folder / ".hidden").mkdir()
    write_sound(folder / ".hidden" / "not this.mp3", sound(1, 4))
    return folder


@pytest.mark.timeout(240)
def test_an_interrupted_run_goes_on_and_a_second_one_uploads_nothing(system: Cloud, archive: Path) -> None:
    first = subprocess.Popen(
        [*COMMAND, "index", archive, "--jobs", "1"],
        env=clean_environment(system.folder.root),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # As from a terminal: a script's background job, which the tests may be, hands down that it is ignored.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    wait_for(lambda: any(recording.is_final for recording in system.all()))
    first.send_signal(signal.SIGINT)
    printed, complained = first.communicate(timeout=30)
    assert first.returncode == 130, complained
    assert "run the same again" in printed
    assert "Traceback" not in complained

    second = system.json("index", archive)
    assert (second["files"], second["done"], second["failed"]) == (6, 6, [])
    assert second["states"]["known"] >= 1
    titles = sorted(recording.title for recording in system.all())
    assert titles == sorted(f"tape {seed}.mp3" for seed in SEEDS)
    assert {recording.match_status for recording in system.all()} == {MatchStatus.FINGERPRINTED}
    attempts = sum(recording.attempts for recording in system.all())

    third = system.command("index", archive)
    assert third.returncode == 0, third.stderr
    assert "6 of 6 files" in third.stdout
    assert "6 known" in third.stdout
    assert sum(recording.attempts for recording in system.all()) == attempts


@pytest.mark.timeout(240)
def test_failures_are_listed_and_the_rest_goes_on(system: Cloud, archive: Path, tmp_path: Path) -> None:
    assert system.command("index", archive).returncode == 0
    shutil.copy(archive / "tape 940.mp3", tmp_path / "the same under another name.mp3")
    (tmp_path / "broken.mp3").write_bytes(b"not audio at all")
    unreadable = tmp_path / "gone.mp3"
    unreadable.symlink_to(tmp_path / "broken.mp3")
    write_sound(tmp_path / "new.flac", sound(960, 8))
    (tmp_path / "notes.txt").write_text("a list")
    before = len(system.all())
    done = system.command("index", tmp_path, "--json")
    assert done.returncode == 3
    form = json.loads(done.stdout)
    assert form["states"] == {"flag": 2, "known": 1, "fingerprinted": 1}
    assert {Path(one["path"]).name for one in form["failed"]} == {"broken.mp3", "gone.mp3"}
    assert "not audio or video" in form["failed"][0]["why"]
    assert form["seconds"] == pytest.approx(8, abs=0.3)
    assert len(system.all()) == before + 3, "what is known by its content is not uploaded again"
    assert system.command("index", tmp_path).returncode == 3, "what failed is still named"


def test_wrong_use(system: Cloud, tmp_path: Path) -> None:
    assert system.command("index", tmp_path / "missing").returncode == 2
    empty = system.command("index", tmp_path)
    assert empty.returncode == 0
    assert "No recordings there" in empty.stdout
