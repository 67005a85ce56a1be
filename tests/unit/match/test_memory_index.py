from __future__ import annotations

import numpy as np
import pytest

from sonicgen.match.index import Stretch
from sonicgen.match.memory_index import MemoryIndex
from sonicgen.match.votes import Question, find_candidates
from sonicgen.sound.landmarks import index_landmarks, query_landmarks
from sonicgen.sound.packing import quantise_pitches
from tests.unit.sound.signals import fingerprint_of, music

MADE = [fingerprint_of(music(100.0, seed=40 + number)) for number in range(3)]


def test_the_right_recording_has_most_votes() -> None:
    index = MemoryIndex()
    for number, made in enumerate(MADE):
        index.add(number, made)
    clip = MADE[1].peaks.between(1000, 1400).shifted(-1000)
    ((first, *others),) = find_candidates(index, [Question(*query_landmarks(clip, 4, 2))], 5)
    assert first.recording == 1
    assert abs(first.delta_frames - 1000) <= 1
    assert len(others) <= 4
    assert all(other.votes < first.votes / 5 for other in others if other.recording != 1)


def test_peaks_come_back_quantised_across_segments() -> None:
    index = MemoryIndex()
    index.add(7, MADE[0])
    stretches = [Stretch(7, 4000, 4200), Stretch(7, 10**6, 10**6 + 5), Stretch(8, 0, 100), Stretch(7, -50, -1)]
    peaks, *nothing = index.peaks(stretches)
    want = MADE[0].peaks.between(4000, 4200)
    assert np.array_equal(peaks.frames, want.frames)
    assert np.array_equal(peaks.pitches, quantise_pitches(want.pitches))
    assert [len(one) for one in nothing] == [0, 0, 0]


@pytest.mark.parametrize(("most", "found"), [(2, 0), (3, 3)])
def test_a_key_with_too_many_postings_is_left_out_whole(most: int, found: int) -> None:
    index = MemoryIndex(most_postings=most)
    for number in range(3):
        index.add(number, MADE[0])
    keys, counts = np.unique(index_landmarks(MADE[0].peaks)[0], return_counts=True)
    once = keys[counts == 1]
    answer = index.postings(once)
    assert answer.counts.tolist() == [found] * len(once)
    assert len(answer.recordings) == len(answer.frames) == found * len(once)
