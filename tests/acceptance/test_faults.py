"""Any process may be killed at any moment; the next start, or the supervisor, goes on where it stopped."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sonicgen.domain.recording import MatchStatus, Recording
from sonicgen.errors import SonicGenError
from sonicgen.steps.add_recording import add_recording
from tests.acceptance.conftest import Cloud, clean_environment, cloud, wait_for


def eventually_added(system: Cloud, path: Path) -> None:
    """Upload as a patient person does: again, while the bucket is away."""

    def attempt() -> bool:
        try:
            add_recording(system.services.settings, path)
        except SonicGenError:
            return False
        return True

    wait_for(attempt)


PARTS = ["postgres", "servers", "fingerprint_match", "console", "inbox"]


@pytest.mark.parametrize("part", PARTS)
def test_a_killed_part_is_started_again_and_nothing_is_lost(
    system: Cloud, music: Callable[..., Path], part: str
) -> None:
    before = music(400 + PARTS.index(part), f"before {part} dies.mp3")
    eventually_added(system, before)
    (killed,) = system.children(part)
    os.kill(killed, signal.SIGKILL)
    after = music(450 + PARTS.index(part), f"after {part} died.mp3")
    eventually_added(system, after)
    for path in (before, after):
        recording = wait_for(lambda path=path: _final(system, path.name))  # type: ignore[misc]
        assert recording.match_status is MatchStatus.FINGERPRINTED
    wait_for(lambda: (pids := system.children(part)) and pids != [killed])


def _final(system: Cloud, title: str) -> Recording | None:
    try:
        return next((r for r in system.all() if r.title == title and r.is_final), None)
    except SonicGenError:
        return None


def test_a_killed_supervisor_takes_its_parts_with_it_and_the_next_goes_on(
    tmp_path: Path, music: Callable[..., Path]
) -> None:
    path = music(500)
    with cloud(tmp_path / "data") as first:
        parts = [pid for name in PARTS
                 for pid in first.children(name)]  # fmt: skip
        added = add_recording(first.services.settings, path)
        first.process.kill()
        first.process.wait()
        wait_for(lambda: not any(_is_alive(pid) for pid in parts), 20)
    with cloud(tmp_path / "data") as second:
        recording = second.final(path.name)
        assert recording.id == added.recording_id
        assert recording.match_status is MatchStatus.FINGERPRINTED


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_ctrl_c_stops_everything_and_a_second_start_knows_what_was(tmp_path: Path, music: Callable[..., Path]) -> None:
    path = music(501)
    with cloud(tmp_path / "data") as first:
        add_recording(first.services.settings, path)
        first.final(path.name)
        parts = first.children("postgres") + first.children("servers") + first.children("fingerprint_match")
        first.process.send_signal(signal.SIGINT)
        assert first.process.wait(30) == 0
        assert not any(_is_alive(pid) for pid in parts)
    with cloud(tmp_path / "data") as second:
        assert [r.title for r in second.all()] == [path.name]
        assert second.command("find", path).returncode == 0


def test_a_second_up_on_the_same_folder_says_so(system: Cloud) -> None:
    done = system.command("up", "--port", "0")
    assert done.returncode == 3
    assert "already runs on" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_in_use_says_so(tmp_path: Path) -> None:
    import subprocess
    import sys

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = subprocess.run(
            [sys.executable, "-m", "sonicgen", "up", "--port", str(taken.getsockname()[1])],
            env=clean_environment(tmp_path / "data"),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 3
    assert "is in use; choose another one" in done.stderr
    assert "Traceback" not in done.stderr


def test_commands_without_a_running_system_say_how_to_start_it(tmp_path: Path) -> None:
    import subprocess
    import sys

    clip = tmp_path / "clip.wav"
    clip.write_bytes(b"RIFF")
    done = subprocess.run(
        [sys.executable, "-m", "sonicgen", "find", str(clip)],
        env=clean_environment(tmp_path / "data"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert "Start it with `sonicgen up`" in done.stderr


def test_the_page_lives_through_the_databases_death(system: Cloud) -> None:
    import httpx

    url = f"http://127.0.0.1:{system.port}/v1/status"
    assert httpx.get(url).status_code == 200
    (killed,) = system.children("postgres")
    os.kill(killed, signal.SIGKILL)
    codes = set()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        code = httpx.get(url, timeout=30).status_code
        codes.add(code)
        if code == 200 and system.children("postgres") not in ([], [killed]):
            break
        time.sleep(0.05)
    assert codes <= {200, 503}
    assert httpx.get(url, timeout=30).status_code == 200
