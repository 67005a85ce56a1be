from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonicgen.sound.fingerprint import Fingerprint, Fingerprinter, fingerprint, has_enough_sound, is_silent, warm_up
from sonicgen.sound.landmarks import index_landmarks
from sonicgen.sound.spectrum import SAMPLE_RATE_HZ
from tests.unit.sound.signals import Samples, dithered, fingerprint_of, music, noise, shared_recordings

SONG = music(60.0, seed=1)
SECONDS = np.arange(20 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ


def same_peaks(one: Fingerprint, other: Fingerprint) -> bool:
    return (
        np.array_equal(one.peaks.frames, other.peaks.frames)
        and np.array_equal(one.peaks.pitches, other.peaks.pitches)
        and np.array_equal(one.peaks.strengths, other.peaks.strengths)
    )


def common_share(one: Fingerprint, other: Fingerprint) -> float:
    """Return the share of one's peaks that the other has at the same frame and half a step of pitch."""
    have = set(zip(other.peaks.frames.tolist(), np.rint(other.peaks.pitches).tolist(), strict=True))
    want = list(zip(one.peaks.frames.tolist(), np.rint(one.peaks.pitches).tolist(), strict=True))
    return sum(peak in have for peak in want) / len(want)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 200_000))
def test_same_fingerprint_whatever_the_blocks(seed: int, largest: int) -> None:
    random = np.random.default_rng(seed)
    maker = Fingerprinter()
    position = 0
    while position < len(SONG):
        size = int(random.integers(0, max(largest, 800)))
        maker.feed(SONG[position : position + size])
        position += size
    assert same_peaks(maker.finish(), fingerprint_of(SONG))


@pytest.mark.parametrize("gain_db", [-40.0, -20.0, 14.0])
def test_level_does_not_matter(gain_db: float) -> None:
    quieter = fingerprint_of((SONG * 10 ** (gain_db / 20)).astype(np.float32))
    assert common_share(fingerprint_of(SONG), quieter) > 0.99


def test_peaks_are_in_order_and_of_bounded_density() -> None:
    made = fingerprint_of(noise(60.0, seed=2))
    order = made.peaks.frames.astype(np.int64) * 1000 + np.floor(made.peaks.pitches).astype(np.int64)
    assert np.all(np.diff(made.peaks.frames) >= 0)
    assert np.all(np.diff(order) >= 0)
    assert 15 * 60 < len(made.peaks) < 33 * 60


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param(np.zeros(len(SECONDS)), id="digital silence"),
        pytest.param(dithered(np.zeros(len(SECONDS))), id="dithered silence"),
        pytest.param(np.full(len(SECONDS), 0.5), id="constant"),
        pytest.param(0.5 * np.sin(2 * np.pi * 440 * SECONDS), id="tone"),
        pytest.param(dithered(0.5 * np.sin(2 * np.pi * 1000 * SECONDS)), id="tone in 16 bits"),
        pytest.param(sum(0.1 * np.sin(2 * np.pi * f * SECONDS) for f in (440, 550, 660)), id="chord"),
        pytest.param(sum(0.1 / k * np.sin(2 * np.pi * 50 * k * SECONDS + k) for k in range(1, 20)), id="hum"),
        pytest.param(np.where(SECONDS < 10, 0.3, -0.3), id="two plateaus"),
    ],
)
def test_nothing_in_silence_and_steady_tones(samples: Samples) -> None:
    made = fingerprint_of(np.asarray(samples, np.float32)[2000:-2000])
    keys, _ = index_landmarks(made.peaks)
    assert len(keys) == 0


def test_silence_is_called_silent_and_music_is_not() -> None:
    assert is_silent(fingerprint_of(np.zeros(30_000, np.float32)))
    assert not is_silent(fingerprint_of(SONG))


def test_three_seconds_are_enough_and_one_is_not() -> None:
    assert has_enough_sound(fingerprint_of(SONG[: 3 * SAMPLE_RATE_HZ]))
    assert not has_enough_sound(fingerprint_of(SONG[:SAMPLE_RATE_HZ]))


@pytest.mark.parametrize("samples", [0, 1, 255, 1023, 1024, 1025, 5000])
def test_very_short_sound(samples: int) -> None:
    made = fingerprint_of(SONG[:samples])
    assert made.seconds == samples / SAMPLE_RATE_HZ


def test_samples_that_are_no_numbers_do_no_harm() -> None:
    broken = SONG.copy()
    broken[300_000:300_010] = np.nan
    broken[310_000] = np.inf
    made = fingerprint_of(broken)
    assert np.isfinite(made.peaks.pitches).all()
    assert common_share(fingerprint_of(SONG), made) > 0.9


def test_memory_does_not_grow_with_length() -> None:
    warm_up()
    block = noise(60.0, seed=3)
    maker = Fingerprinter()
    maker.feed(block)
    tracemalloc.start()
    try:
        for _ in range(120):  # two hours
            maker.feed(block)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert maker.seconds == pytest.approx(121 * 60)
    assert peak < 24e6  # 5 MB of buffers, 4 MB for one block's work, 1.2 MB of peaks an hour


def test_half_a_hop_later_most_peaks_are_the_same() -> None:
    whole = fingerprint_of(SONG)
    later = fingerprint_of(SONG[128:])
    near = 0
    for frame, pitch in zip(later.peaks.frames, later.peaks.pitches, strict=True):
        around = whole.peaks.between(int(frame) - 1, int(frame) + 2)
        near += bool(np.any(np.abs(around.pitches - pitch) < 1.3))
    assert near / len(later.peaks) > 0.9


def test_a_file_reports_its_progress() -> None:
    folder = shared_recordings()
    path = max((folder / "recordings").iterdir(), key=lambda file: file.stat().st_size)
    reports: list[float] = []
    made = fingerprint(path, on_progress=reports.append)
    assert made.seconds > 60
    assert reports
    assert reports == sorted(reports)
