"""Stretches of a recording in a file of their own, to the sample."""

from __future__ import annotations

import hashlib
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from sonicgen.local.demo_sounds import RATE_HZ, write_sound
from sonicgen.sound.cut import SILENT_PEAK, SPEECH_RATE_HZ, write_stretches


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Twelve seconds: in each, a tone of its own level; the sixth is silent."""
    time = np.arange(RATE_HZ) / RATE_HZ
    seconds = [(0.05 * (n + 1) if n != 5 else 0.0) * np.sin(2 * np.pi * 440 * time) for n in range(12)]
    path = tmp_path / "recording.wav"
    write_sound(path, np.concatenate(seconds).astype(np.float32))
    return path


def read(path: Path) -> NDArray[np.float64]:
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        assert (stream.rate, stream.layout.name) == (SPEECH_RATE_HZ, "mono")
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(stream)]) / 32768


def levels(sound: NDArray[np.float64]) -> list[float]:
    """Return the peak of the middle of each second."""
    return [float(np.abs(sound[at + 4000 : at + 12000]).max()) for at in range(0, len(sound) - 8000, SPEECH_RATE_HZ)]


def test_stretches_follow_each_other_with_silence_between(recording: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.flac"
    peaks = write_stretches(recording, [(1.0, 3.0), (7.0, 8.0)], path, gap_seconds=1.0)
    assert levels(read(path)) == pytest.approx([0.10, 0.15, 0.0, 0.40], abs=0.01)
    assert len(read(path)) == 4 * SPEECH_RATE_HZ
    assert peaks == pytest.approx([0.15, 0.40], abs=0.02)


def test_silence_is_told_by_its_peak(recording: Path, tmp_path: Path) -> None:
    peaks = write_stretches(recording, [(5.1, 5.9), (6.1, 6.9)], tmp_path / "cut.flac")
    assert peaks[0] < SILENT_PEAK < peaks[1]


def test_a_stretch_beyond_the_end_has_its_full_length(recording: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.flac"
    write_stretches(recording, [(11.0, 14.0), (20.0, 21.0)], path, gap_seconds=0.5)
    assert len(read(path)) == round(4.5 * SPEECH_RATE_HZ)
    assert levels(read(path))[:2] == pytest.approx([0.6, 0.0], abs=0.01)


def test_the_same_input_gives_the_same_bytes(recording: Path, tmp_path: Path) -> None:
    digests = set()
    for name in ("one", "two"):
        path = tmp_path / f"{name}.flac"
        write_stretches(recording, [(0.3, 9.7)], path)
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 1
