from __future__ import annotations

import numpy as np
import pytest

from sonicgen.sound.packing import SEGMENT_FRAMES, pack_peaks, quantise_pitches, split_segments, unpack_peaks
from sonicgen.sound.peaks import Peaks, no_peaks
from tests.unit.sound.signals import fingerprint_of, music


def test_round_trip_of_a_long_recording() -> None:
    peaks = fingerprint_of(music(300.0, seed=4)).peaks
    segments = [(number, pack_peaks(part, number * SEGMENT_FRAMES)) for number, part in split_segments(peaks)]
    back = [unpack_peaks(data, number * SEGMENT_FRAMES) for number, data in segments]
    assert [number for number, _ in segments] == [0, 1, 2, 3]
    assert np.array_equal(np.concatenate([part.frames for part in back]), peaks.frames)
    assert np.array_equal(np.concatenate([part.pitches for part in back]), quantise_pitches(peaks.pitches))
    assert sum(len(data) for _, data in segments) == 2 * len(peaks)


def test_long_gaps_and_extreme_pitches() -> None:
    frames = np.array([4096, 4096, 4222, 4223, 4350, 8191], np.int32)
    pitches = np.array([0.0, 255.5, 0.24, 0.26, 99.9, 300.0], np.float32)
    back = unpack_peaks(pack_peaks(Peaks(frames, pitches, pitches), 4096), 4096)
    assert back.frames.tolist() == frames.tolist()
    assert back.pitches.tolist() == [0.0, 255.5, 0.0, 0.5, 100.0, 255.5]
    assert len(back.strengths) == 0


def test_nothing_packs_to_nothing() -> None:
    assert pack_peaks(no_peaks(), 0) == b""
    assert len(unpack_peaks(b"", 0)) == 0
    assert list(split_segments(no_peaks())) == []


def test_peaks_out_of_order_are_refused() -> None:
    frames = np.array([5, 3], np.int32)
    pitches = np.zeros(2, np.float32)
    with pytest.raises(ValueError, match="order of time"):
        pack_peaks(Peaks(frames, pitches, pitches), 0)
