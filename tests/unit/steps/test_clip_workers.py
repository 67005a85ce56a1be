"""Clips are read in processes with limits, which are replaced when something goes wrong."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sonicgen.errors import InputError, MediaError, TooLargeError
from sonicgen.local.demo_sounds import RATE_HZ, write_sound
from sonicgen.sound.fingerprint import fingerprint
from sonicgen.steps.clip_workers import ClipWorkers
from tests.acceptance.conftest import sound


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp3"
    write_sound(path, sound(3, 8.0))
    return path


@pytest.fixture(scope="module")
def workers() -> Iterator[ClipWorkers]:
    os.environ["A_SECRET_OF_OURS"] = "hunter2"
    made = ClipWorkers(1)
    made.warm_up()
    del os.environ["A_SECRET_OF_OURS"]
    yield made
    made.close()


def process_of(workers: ClipWorkers) -> int:
    return workers._idle[0]._process.pid


def test_a_clip_comes_back_bit_for_bit(workers: ClipWorkers, clip: Path) -> None:
    there = workers.fingerprint(clip, seconds=30, maximum_seconds=60)
    here = fingerprint(clip)
    assert not there.is_cut
    assert there.fingerprint.seconds == here.seconds
    for name in ("frames", "pitches", "strengths"):
        assert np.array_equal(getattr(there.fingerprint.peaks, name), getattr(here.peaks, name)), name


def test_of_a_long_clip_only_the_beginning_is_heard(workers: ClipWorkers, tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    write_sound(path, np.tile(sound(4, 10.0), 18)[: 170 * RATE_HZ])
    told: list[float] = []
    read = workers.fingerprint(
        path, seconds=60, maximum_seconds=100, on_progress=lambda seconds, _: told.append(seconds)
    )
    assert read.is_cut
    assert 100 <= read.fingerprint.seconds < 110
    assert told
    assert 60 <= told[0] < 70


def test_a_process_knows_no_secrets_and_may_write_nothing(workers: ClipWorkers) -> None:
    process = Path(f"/proc/{process_of(workers)}")
    assert b"hunter2" not in (process / "environ").read_bytes()
    limits = {line[:26].strip(): line[26:].split()[0] for line in (process / "limits").read_text().splitlines()[1:]}
    assert limits["Max file size"] == "0"
    assert limits["Max core file size"] == "0"
    assert limits["Max address space"] != "unlimited"
    assert int(limits["Max open files"]) <= 64


@pytest.mark.parametrize("content", [b"", b"words" * 999, b"RIFF\xff\xff\xff\xffWAVEfmt " + bytes(400)])
def test_what_is_no_audio_costs_no_process(workers: ClipWorkers, clip: Path, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "wrong"
    path.write_bytes(content)
    before = process_of(workers)
    with pytest.raises(MediaError):
        workers.fingerprint(path, seconds=30, maximum_seconds=60)
    assert process_of(workers) == before
    workers.fingerprint(clip, seconds=30, maximum_seconds=60)


def test_what_takes_too_long_is_ended_and_the_next_is_read(workers: ClipWorkers, clip: Path) -> None:
    before = process_of(workers)
    os.kill(before, signal.SIGSTOP)  # a decoder that turns in circles
    with pytest.raises(InputError, match="takes longer than"):
        workers.fingerprint(clip, seconds=0.3, maximum_seconds=60)
    assert len(workers.fingerprint(clip, seconds=30, maximum_seconds=60).fingerprint.peaks) > 100
    assert process_of(workers) != before


def test_what_breaks_its_decoder_is_told_and_the_next_is_read(workers: ClipWorkers, clip: Path) -> None:
    os.kill(process_of(workers), signal.SIGSEGV)
    while workers._idle[0].is_alive:
        pass
    assert len(workers.fingerprint(clip, seconds=30, maximum_seconds=60).fingerprint.peaks) > 100


def test_what_takes_too_much_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    write_sound(path, np.tile(sound(4, 10.0), 30))
    small = ClipWorkers(1, memory_bytes=2 << 20)
    try:
        with pytest.raises((TooLargeError, MediaError)):
            small.waveform(path, seconds=30)
    finally:
        small.close()
