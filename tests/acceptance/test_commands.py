"""The commands as a person types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest

from sonicgen.local.demo_sounds import RATE_HZ, disturb, write_sound
from tests.acceptance.conftest import Cloud, sound

MATCH_FIELDS = {
    "video_id", "title", "youtube_id", "query_start_seconds", "query_end_seconds", "reference_start_seconds",
    "reference_end_seconds", "speed", "score", "probability", "decision",
}  # fmt: skip


@pytest.fixture(scope="module")
def known(system: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of 40 s that the system knows."""
    path = tmp_path_factory.mktemp("known") / "known piece.mp3"
    write_sound(path, sound(900, 40))
    done = system.command("add", path)
    assert done.returncode == 0, done.stderr
    assert "fingerprinted" in done.stdout
    return path


def clip_of(path: Path, start_seconds: float, speed: float = 1.0) -> Path:
    write_sound(
        path,
        disturb(sound(900, 40), start_seconds=start_seconds, seconds=8, speed=speed, noise=0.2, seed=3),
        bit_rate=48_000,
    )
    return path


def test_find_names_the_recording_and_the_second(system: Cloud, known: Path, tmp_path: Path) -> None:
    clip = clip_of(tmp_path / "clip.mp3", 17.0)
    done = system.command("find", clip)
    assert done.returncode == 0, done.stderr
    assert "known piece.mp3" in done.stdout
    answer = system.json("find", clip)
    assert set(answer) == {"query", "matches", "elapsed_ms"}
    assert answer["query"]["path"] == str(clip)
    assert answer["query"]["seconds"] == pytest.approx(8.0, abs=0.2)
    best = answer["matches"][0]
    assert set(best) >= MATCH_FIELDS
    assert best["title"] == "known piece.mp3"
    assert best["decision"] == "match"
    assert best["probability"] > 0.99
    assert best["reference_start_seconds"] - best["query_start_seconds"] == pytest.approx(17.0, abs=0.5)


def test_find_says_how_much_faster(system: Cloud, known: Path, tmp_path: Path) -> None:
    answer = system.json("find", clip_of(tmp_path / "fast.mp3", 10.0, speed=1.03))
    assert answer["matches"][0]["speed"] == pytest.approx(1.03, abs=0.005)


def test_find_ends_with_1_when_nothing_is_found(system: Cloud, known: Path, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.mp3"
    write_sound(stranger, sound(77, 8))
    done = system.command("find", stranger)
    assert done.returncode == 1
    assert "Not found" in done.stdout


def test_wrong_input_ends_with_2(system: Cloud, tmp_path: Path) -> None:
    text = tmp_path / "text.mp3"
    text.write_text("not audio")
    for arguments in (["find", tmp_path / "missing.mp3"], ["find", text], ["find"], ["add", tmp_path], ["nonsense"]):
        done = system.command(*arguments)
        assert done.returncode == 2, (arguments, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr


def test_list_and_show_and_doctor(system: Cloud, known: Path) -> None:
    listed = system.json("list", "--status", "fingerprinted")
    (one,) = [recording for recording in listed if recording["title"] == "known piece.mp3"]
    assert system.json("show", one["id"][:8])["id"] == one["id"]
    assert "known piece.mp3" in system.command("list").stdout
    assert system.command("show", "ffffffff").returncode == 1
    doctor = system.command("doctor")
    assert doctor.returncode == 0, doctor.stdout
    parts = {part["name"]: part for part in system.json("doctor")}
    assert parts["database"]["works"] is True
    assert parts["transcription"]["works"] is None


def test_add_reports_what_cannot_be_used(system: Cloud, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not audio at all")
    done = system.command("add", text)
    assert done.returncode == 3
    assert "flag" in done.stdout
    assert "not audio or video" in " ".join(done.stdout.split())


def test_migrate_and_replay_have_nothing_to_do(system: Cloud) -> None:
    assert "up to date" in system.command("migrate").stdout
    assert "Nothing to replay" in system.command("replay").stdout


def test_what_is_packed_is_found_as_before(system: Cloud, known: Path, tmp_path: Path) -> None:
    clip = clip_of(tmp_path / "clip.mp3", 21.0)
    before = system.json("find", clip)["matches"]
    assert "1 packed segments" in system.command("pack").stdout
    assert system.json("find", clip)["matches"] == before
    assert "1 packed segments" in system.command("pack").stdout, "again is harmless"


def test_page_and_api(system: Cloud, known: Path) -> None:
    base = f"http://127.0.0.1:{system.port}"
    page = httpx.get(base)
    assert page.status_code == 200
    assert "SonicGen" in page.text
    assert "http" not in page.text.replace("http-equiv", "").split("<script>")[0], "no address of others"
    assert len(page.content) < 150_000
    status = httpx.get(f"{base}/v1/status").json()
    assert status["counts"]["fingerprinted"] >= 1
    found = httpx.get(f"{base}/v1/recordings", params={"limit": 1}).json()
    assert len(found["recordings"]) == 1
    identifier = found["recordings"][0]["id"]
    assert httpx.get(f"{base}/v1/recordings/{identifier}").json()["id"] == identifier
    assert httpx.get(f"{base}/v1/recordings/00000000-0000-0000-0000-000000000000").status_code == 404
    with httpx.stream("GET", f"{base}/v1/status/stream") as stream:
        line = next(line for line in stream.iter_lines() if line.startswith("data: "))
    assert json.loads(line.removeprefix("data: "))["counts"] == status["counts"]


def test_page_shows_new_recordings_without_reload(
    system: Cloud, music: Callable[..., Path]
) -> None:  # the stream that the page listens to
    path = music(950)
    base = f"http://127.0.0.1:{system.port}"
    with httpx.stream("GET", f"{base}/v1/status/stream", timeout=60) as stream:
        lines = stream.iter_lines()
        next(line for line in lines if line.startswith("data: "))
        assert system.command("add", path).returncode == 0
        for line in lines:
            if line.startswith("data: ") and path.name in line:
                break


def test_silence_is_found_nowhere(system: Cloud, known: Path, tmp_path: Path) -> None:
    silent = tmp_path / "silent.wav"
    write_sound(silent, np.zeros(RATE_HZ * 5, np.float32))
    assert system.command("find", silent).returncode == 1
