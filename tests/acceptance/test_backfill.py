"""Backfills on the whole system: a job whose tasks are killed, workers of this machine, an export and its import."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil

from sonicgen.cloud.objects import ensure_bucket, upload_file
from sonicgen.domain.recording import MatchStatus
from sonicgen.store import backfills
from tests.acceptance.conftest import COMMAND, Cloud, clean_environment, wait_for
from tests.acceptance.conftest import system as system

ARCHIVE = "archive"
PIECES = 8


def tasks_of(running: Cloud) -> list[psutil.Process]:
    return [
        process
        for process in psutil.Process(running.process.pid).children(recursive=True)
        if "sonicgen.jobs.backfill" in " ".join(process.cmdline())
    ]


def test_an_archive_comes_in_though_its_workers_are_killed(
    system: Cloud, music: Callable[..., Path], tmp_path: Path
) -> None:
    ensure_bucket(ARCHIVE)
    for number in range(PIECES):
        upload_file(ARCHIVE, f"tapes/{number}.mp3", music(100 + number))
    upload_file(ARCHIVE, "tapes/copy.wav", music(100, "copy.wav"))
    started = system.command(
        "backfill", f"gs://{ARCHIVE}/tapes/", "--workers", "2", "--rate", "120", "--no-follow", "--json"
    )
    assert started.returncode == 0, started.stderr
    (begun,) = backfills.newest(system.services.database)
    wait_for(lambda: backfills.get(system.services.database, begun.id).done >= 2)
    for task in tasks_of(system):
        task.send_signal(signal.SIGKILL)
    ended = wait_for(
        lambda: one if (one := backfills.get(system.services.database, begun.id)).state == "done" else None
    )
    assert (ended.listed, ended.done, ended.failed) == (PIECES + 1, PIECES + 1, 0)
    recordings = [one for one in system.all() if one.bucket == ARCHIVE]
    assert sorted(one.object_name for one in recordings) == sorted(
        [*(f"tapes/{number}.mp3" for number in range(PIECES)), "tapes/copy.wav"]
    )
    states = [one.match_status for one in recordings]
    assert states.count(MatchStatus.FINGERPRINTED) == PIECES
    assert states.count(MatchStatus.MATCHED) == 1
    told = system.json("backfill", "--status")
    assert told["backfills"][0]["done"] == PIECES + 1
    assert told["versions"] == {"current": 1, "in_index": {"1": PIECES}}


def test_a_command_that_is_killed_goes_on_when_it_is_run_again(
    system: Cloud, music: Callable[..., Path], tmp_path: Path
) -> None:
    before = len(system.all())
    files = [music(200 + number) for number in range(5)]
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(map(str, files)))
    arguments = ["backfill", str(listed), "--here", "--workers", "1", "--json"]
    process = subprocess.Popen(
        [*COMMAND, *arguments, "--rate", "60"],
        env=clean_environment(system.folder.root),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_for(lambda: any(one.done for one in backfills.newest(system.services.database) if "list.txt" in one.source))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    again = system.command(*arguments)
    told = json.loads(again.stdout)
    assert again.returncode == 0, again.stderr
    assert (told["state"], told["listed"], told["failed"]) == ("done", 5, 0)
    assert told["done"] + told["known"] == 5
    assert len(system.all()) == before + 5


def test_a_budget_is_told(system: Cloud, music: Callable[..., Path], tmp_path: Path) -> None:
    listed = tmp_path / "few.txt"
    listed.write_text("\n".join(str(music(300 + number)) for number in range(3)))
    done = system.command("backfill", listed, "--files", "2", "--workers", "2")
    assert done.returncode == 3
    assert "The budget of 2 files is used up" in done.stdout
    assert "2 of 3" in done.stdout
    assert "few.txt" in done.stderr  # lines, as there is no terminal
    rest = system.command("backfill", listed)
    assert rest.returncode == 0, rest.stderr
    assert "3 of 3" in rest.stdout


def test_an_index_goes_into_a_file_and_is_known_again(
    system: Cloud, music: Callable[..., Path], tmp_path: Path
) -> None:
    system.json("add", music(400))
    archive = tmp_path / "index.tar"
    exported = system.json("export", archive)
    recordings = len(system.all())
    assert exported["tables"]["videos"]["rows"] == recordings
    taken = system.json("import", archive)
    assert taken["videos"] == {"added": 0, "known": recordings}
    cut = tmp_path / "cut.tar"
    cut.write_bytes(archive.read_bytes()[:-20_000])
    refused = system.command("import", cut)
    assert refused.returncode == 2
    assert "cut off" in refused.stderr
