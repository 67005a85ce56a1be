"""`sonicgen find --explain` and the old rules, on a running system."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sonicgen.local.demo_sounds import RATE_HZ, disturb, write_sound
from tests.acceptance.conftest import COMMAND, Cloud, clean_environment, sound

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def clip(system: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip, 3 % faster, of a recording that the system knows."""
    folder = tmp_path_factory.mktemp("explain")
    recording = folder / "piece in $a_b$.mp3"
    write_sound(recording, sound(910, 40))
    done = system.command("add", recording)
    assert done.returncode == 0, done.stderr
    clip = folder / "clip.mp3"
    write_sound(clip, disturb(sound(910, 40), start_seconds=12, seconds=8, speed=1.03, noise=0.2, seed=3), 48_000)
    return clip


def test_both_forms_are_written_and_tell_the_same(system: Cloud, clip: Path, tmp_path: Path) -> None:
    picture, form = tmp_path / "why.png", tmp_path / "why.json"
    done = system.command("find", clip, "--json", "--explain", picture, "--explain", form)
    assert done.returncode == 0, done.stderr
    assert picture.read_bytes().startswith(PNG)
    answer, explained = json.loads(done.stdout), json.loads(form.read_text())
    assert explained["query"] == answer["query"]
    assert explained["policy"] == "chance"
    assert explained["old_rules"]["v1"]["refusal"] == "too_short"
    for plain, one in zip(answer["matches"], explained["matches"], strict=True):
        assert {name: one[name] for name in plain} == plain
    best = explained["matches"][0]
    why = best["explanation"]
    assert why["aligned_peaks"] == len(why["pairs"]["query_hz"]) >= 0.8 * best["score"]
    assert why["offsets"]["at_match"] > 2 * why["offsets"]["best_elsewhere"]
    heard, known = why["pairs"]["query_seconds"], why["pairs"]["reference_seconds"]
    assert (known[-1] - known[0]) / (heard[-1] - heard[0]) == pytest.approx(1.03, abs=0.01)
    assert 11.9 < min(known) < max(known) < 20.5


def test_without_the_recordings_bytes_its_peaks_are_drawn(system: Cloud, clip: Path, tmp_path: Path) -> None:
    best = system.json("find", clip)["matches"][0]
    from sonicgen.cloud.objects import delete_object, upload_file

    (recording,) = [one for one in system.all() if str(one.id) == best["video_id"]]
    delete_object(recording.bucket, recording.object_name)
    done = system.command("find", clip, "--explain", tmp_path / "peaks.png")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "peaks.png").read_bytes().startswith(PNG)
    upload_file(recording.bucket, recording.object_name, clip.parent / "piece in $a_b$.mp3")


def test_nothing_found_is_explained_by_nothing(system: Cloud, clip: Path, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.mp3"
    write_sound(stranger, (0.1 * np.random.default_rng(3).standard_normal(6 * RATE_HZ)).astype(np.float32))
    done = system.command("find", stranger, "--explain", tmp_path / "no.png", "--explain", tmp_path / "no.json")
    assert done.returncode == 1, done.stderr
    assert not (tmp_path / "no.png").exists()
    assert "No match, so no picture" in done.stderr
    assert json.loads((tmp_path / "no.json").read_text())["matches"] == []


def test_wrong_targets_end_with_2_before_any_work(system: Cloud, clip: Path, tmp_path: Path) -> None:
    for target, said in (("why.svg", "neither a .png nor a .json"), ("missing/why.png", "there is no folder")):
        done = system.command("find", clip, "--explain", tmp_path / target)
        assert done.returncode == 2
        assert said in " ".join(done.stderr.split())


def test_without_matplotlib_one_sentence_says_how_to_get_it(system: Cloud, clip: Path, tmp_path: Path) -> None:
    hidden = "import sys; sys.modules['matplotlib'] = None; from sonicgen.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", hidden, "find", clip, "--explain", tmp_path / "why.png"],
        env=clean_environment(system.folder.root),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "pip install 'matplotlib" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("policy", "code"), [("chance", 0), ("v1", 1), ("v2", 1)])
def test_a_policy_decides_and_leaves_the_form_alone(system: Cloud, clip: Path, policy: str, code: int) -> None:
    done = subprocess.run(
        [*COMMAND, "find", clip, "--json"],
        env=clean_environment(system.folder.root, SONICGEN_MATCH_POLICY=policy),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    best = json.loads(done.stdout)["matches"][0]
    assert best["title"] == "piece in $a_b$.mp3"
    assert best["decision"] == ("match" if policy == "chance" else "unsure")
    assert "explanation" not in best


def test_no_matplotlib_is_loaded_unless_a_picture_is_asked_for() -> None:
    look = "import sys, sonicgen.cli.main; print({'matplotlib', 'numba'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_jingle_is_shared_material_of_every_programme_that_has_it(system: Cloud, tmp_path: Path) -> None:
    jingle = sound(980, 8)
    programmes = []
    for number in range(4):
        path = tmp_path / f"programme {number}.mp3"
        write_sound(path, np.concatenate([jingle, sound(981 + number, 20)]))
        assert system.command("add", path).returncode == 0
        programmes.append(path.name)
    for name in (programmes[0], programmes[-1]):
        shown = system.json("show", name)
        assert shown["match_status"] == "fingerprinted"
        ((start, end, count),) = shown["shared_segments"]
        assert count == 3
        assert (start, end) == (pytest.approx(0.0, abs=0.6), pytest.approx(8.0, abs=0.6))
    assert "is shared material, also in 3 other recordings" in " ".join(
        system.command("show", programmes[1]).stdout.split()
    )
