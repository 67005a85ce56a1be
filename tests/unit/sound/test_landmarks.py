from __future__ import annotations

import numpy as np
import pytest

from sonicgen.sound.landmarks import index_landmarks, query_landmarks
from sonicgen.sound.packing import pack_peaks, unpack_peaks
from tests.unit.sound.signals import at_speed, fingerprint_of, music

PEAKS = fingerprint_of(music(20.0, seed=5)).peaks


def test_the_index_keeps_about_two_a_peak_of_29_bits() -> None:
    keys, frames = index_landmarks(PEAKS)
    assert keys.dtype == frames.dtype == np.int32
    assert len(PEAKS) < len(keys) <= 3 * len(PEAKS)
    assert keys.min() >= 0
    assert keys.max() < 1 << 29


def test_a_query_asks_for_all_that_the_index_keeps() -> None:
    kept = set(zip(*(column.tolist() for column in index_landmarks(PEAKS)), strict=True))
    asked = set(zip(*(column.tolist() for column in query_landmarks(PEAKS, 4, 2)), strict=True))
    assert kept <= asked


def test_the_first_probe_is_the_key_itself() -> None:
    exact, _ = query_landmarks(PEAKS, 4, 1)
    probed, _ = query_landmarks(PEAKS, 4, 6)
    assert np.array_equal(probed[::6], exact)
    assert len(np.unique(probed[:6])) == 6


def test_a_start_earlier_or_later_changes_no_key() -> None:
    keys, frames = index_landmarks(PEAKS)
    later_keys, later_frames = index_landmarks(PEAKS.shifted(1000))
    assert np.array_equal(keys, later_keys)
    assert np.array_equal(frames + 1000, later_frames)


def test_a_warp_brings_the_keys_of_a_faster_copy_back() -> None:
    faster = fingerprint_of(at_speed(music(20.0, seed=5), 1.04)).peaks
    kept = set(index_landmarks(PEAKS)[0].tolist())

    def found(tempo: float, pitch: float) -> int:
        return len(kept & set(query_landmarks(faster, 4, 2, tempo, pitch)[0].tolist()))

    assert found(1.04, 1.04) > 4 * found(1.0, 1.0)


def test_stored_peaks_have_no_landmarks() -> None:
    stored = unpack_peaks(pack_peaks(PEAKS, 0), 0)
    with pytest.raises(ValueError, match="strengths"):
        index_landmarks(stored)


@pytest.mark.parametrize(("fan", "probes"), [(1, 1), (9, 1), (4, 0), (4, 17)])
def test_limits(fan: int, probes: int) -> None:
    with pytest.raises(ValueError, match="fan must be"):
        query_landmarks(PEAKS, fan, probes)
