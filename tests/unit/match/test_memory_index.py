from __future__ import annotations

import numpy as np

from sonicgen.match.index import Candidate
from sonicgen.match.memory_index import MemoryIndex
from sonicgen.match.votes import count_votes
from sonicgen.sound.landmarks import index_landmarks, query_landmarks
from sonicgen.sound.packing import quantise_pitches
from tests.unit.sound.signals import fingerprint_of, music

MADE = [fingerprint_of(music(100.0, seed=40 + number)) for number in range(3)]


def test_the_right_recording_has_most_votes() -> None:
    index = MemoryIndex()
    for number, made in enumerate(MADE):
        index.add(number, made)
    clip = MADE[1].peaks.between(1000, 1400).shifted(-1000)
    keys, frames = query_landmarks(clip, 4, 2)
    first, *others = index.candidates(keys, frames, 5)
    assert first.recording == 1
    assert abs(first.delta_frames - 1000) <= 8
    assert len(others) <= 4
    assert all(other.votes < first.votes / 5 for other in others if other.recording != 1)


def test_peaks_come_back_quantised_across_segments() -> None:
    index = MemoryIndex()
    index.add(7, MADE[0])
    peaks = index.peaks(7, 4000, 4200)
    want = MADE[0].peaks.between(4000, 4200)
    assert np.array_equal(peaks.frames, want.frames)
    assert np.array_equal(peaks.pitches, quantise_pitches(want.pitches))
    assert len(index.peaks(7, 10**6, 10**6 + 5)) == 0
    assert len(index.peaks(8, 0, 100)) == 0
    assert len(index.peaks(7, -50, -1)) == 0


def test_a_key_with_too_many_postings_is_left_out_whole() -> None:
    index = MemoryIndex(most_postings=2)
    for number in range(3):
        index.add(number, MADE[0])
    keys, frames = index_landmarks(MADE[0].peaks)
    assert index.candidates(keys, frames, 5) == []


def test_votes_on_a_border_are_counted_together() -> None:
    recordings = np.array([3, 3, 3, 4], np.int32)
    reference = np.array([79, 80, 80, 500], np.int32)
    votes = count_votes(recordings, reference, np.zeros(4, np.int32), 2)
    assert votes[0] == Candidate(3, 80, 3)
    assert count_votes(recordings[:0], reference[:0], reference[:0], 2) == []


def test_offsets_before_the_start_of_the_reference() -> None:
    votes = count_votes(np.zeros(2, np.int32), np.array([10, 12], np.int32), np.array([100, 102], np.int32), 1)
    assert abs(votes[0].delta_frames + 90) <= 8
