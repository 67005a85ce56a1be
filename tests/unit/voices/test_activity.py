"""Speech is found in silence, noise and over music; what is none is left alone."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sonicgen.voices.activity import Stretch, find_speech
from sonicgen.voices.samples import SAMPLE_RATE_HZ
from tests.unit.voices.signals import HIGH, LOW, Sound, silence, speech


def room(*parts: tuple[float, Sound], seconds: float, noise: float = 1e-4) -> Sound:
    """Return a room of some noise in which each part is heard from its second on."""
    out = silence(seconds, level=noise)
    for start, sound in parts:
        first = int(start * SAMPLE_RATE_HZ)
        out[first : first + len(sound)] += sound
    return out


def covered(found: list[Stretch], start: float, end: float) -> float:
    return sum(max(0.0, min(s.end_seconds, end) - max(s.start_seconds, start)) for s in found)


@pytest.mark.parametrize("noise", [1e-5, 1e-3, 0.01])
def test_speech_is_found_to_a_fraction_of_a_second(noise: float) -> None:
    sound = room((3.0, speech(LOW, 4.0, 1)), (10.0, speech(HIGH, 2.0, 2)), seconds=15.0, noise=noise)
    found = find_speech(sound)
    assert len(found) == 2
    for stretch, (start, end) in zip(found, [(3.0, 7.0), (10.0, 12.0)], strict=True):
        assert stretch.start_seconds == pytest.approx(start, abs=0.25)
        assert stretch.end_seconds == pytest.approx(end, abs=0.3)


def test_level_does_not_matter() -> None:
    sound = room((2.0, speech(LOW, 4.0, 3)), seconds=9.0)
    for one, other in zip(find_speech(sound), find_speech(0.1 * sound), strict=True):
        assert one.start_seconds == pytest.approx(other.start_seconds, abs=0.05)


def test_stored_and_floating_samples_give_the_same() -> None:
    sound = room((2.0, speech(HIGH, 4.0, 4)), seconds=9.0, noise=1e-3)
    stored = (sound * 32_768).astype(np.int16)
    for one, other in zip(find_speech(sound), find_speech(stored), strict=True):
        assert one.start_seconds == pytest.approx(other.start_seconds, abs=0.05)


def test_speech_without_a_pause_is_found() -> None:
    found = find_speech(speech(LOW, 30.0, 5))
    assert covered(found, 0, 30) > 27


def test_speech_over_a_steady_tone_is_found() -> None:
    hum = 0.015 * np.sin(2 * np.pi * 300 * np.arange(20 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ)
    sound = room((8.0, 3 * speech(HIGH, 4.0, 6)), seconds=20.0) + hum.astype(np.float32)
    found = find_speech(sound)
    assert covered(found, 8, 12) > 3.2
    assert covered(found, 0, 20) < 5


def tone(seconds: float) -> Sound:
    return (0.2 * np.sin(2 * np.pi * 220 * np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ)).astype(
        np.float32
    )


def chords(seconds: float) -> Sound:
    """Return chords that change every 0.8 s, as of an organ."""
    random = np.random.default_rng(7)
    out = []
    for _ in range(int(seconds / 0.8)):
        t = np.arange(int(0.8 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
        notes = 220 * 2 ** (random.integers(0, 12, 3) / 12)
        out.append(sum(np.sin(2 * np.pi * note * k * t) / k for note in notes for k in (1, 2, 3)))
    return np.asarray(0.05 * np.concatenate(out), np.float32)


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(0, np.float32),
        np.zeros(100, np.float32),
        np.zeros(10 * SAMPLE_RATE_HZ, np.float32),
        silence(10.0, level=0.1),
        tone(10.0),
        np.concatenate((silence(3.0), tone(4.0), silence(3.0))),
        np.concatenate((silence(2.0), chords(12.0), silence(2.0))),
        silence(6.0) + np.eye(1, 6 * SAMPLE_RATE_HZ, 40_000, dtype=np.float32)[0],
    ],
    ids=["empty", "tiny", "zeros", "noise", "tone", "tone that begins", "chords", "click"],
)
def test_what_is_no_speech_is_left_alone(sound: NDArray[np.float32]) -> None:
    assert covered(find_speech(sound), 0, 1e9) < 0.06 * max(1.0, len(sound) / SAMPLE_RATE_HZ)


def test_blocks_do_not_show() -> None:
    """A minute is a block; what lies across the border of two is found as anywhere else."""
    part = speech(LOW, 4.0, 8)
    found = find_speech(room((58.0, part), (20.0, part), seconds=75.0))
    assert len(found) == 2
    assert found[1].start_seconds - found[0].start_seconds == pytest.approx(38.0, abs=0.05)
    assert found[1].end_seconds - found[0].end_seconds == pytest.approx(38.0, abs=0.05)
