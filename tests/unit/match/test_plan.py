from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from sonicgen.match import plan, warp
from sonicgen.match.ask import Asker
from sonicgen.match.index import Postings
from sonicgen.match.memory_index import MemoryIndex
from sonicgen.match.search import find_matches
from sonicgen.match.warp import GRID, Warp
from sonicgen.sound.fingerprint import Fingerprint
from sonicgen.sound.spectrum import FRAMES_PER_SECOND
from tests.unit.match.test_votes import ListIndex
from tests.unit.sound.signals import fingerprint_of, music

MADE = fingerprint_of(music(60.0, seed=77))


class CountingIndex(MemoryIndex):
    """Counts what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[int] = []

    def postings(self, keys: np.ndarray[tuple[int], np.dtype[np.int32]]) -> Postings:
        self.calls.append(len(keys))
        return super().postings(keys)


@pytest.mark.parametrize("seconds", [31.0, 600.0, 3600.0, 36_000.0])
def test_hard_windows_are_few_and_evenly_spaced(seconds: float) -> None:
    effort = plan.efforts(seconds)
    efforts = [effort(number) for number in range(int(seconds / plan.HOP_SECONDS))]
    warped = [i for i, value in enumerate(efforts) if value is plan.Effort.WARPED]
    assert warped[0] == 0
    assert len(warped) <= plan.MOST_WARPED + 1
    assert len({b - a for a, b in pairwise(warped)}) <= 1
    assert len(warped) >= min(len(efforts) / plan.WARPED_EVERY, plan.MOST_WARPED / 2)
    dense = sum(value is plan.Effort.DENSE for value in efforts)
    assert dense <= plan.MOST_DENSE + 1
    assert dense + len(warped) >= min(len(efforts) / plan.DENSE_EVERY, plan.MOST_DENSE / 2)


def test_windows_cover_a_stretch_without_a_hole() -> None:
    places = plan.window_places(1000, 1000 + round(40 * FRAMES_PER_SECOND))
    assert places[0][0] == 1000
    assert all(a[0] < b[0] <= a[1] for a, b in pairwise(places))
    assert places[-1][1] == 1000 + round(40 * FRAMES_PER_SECOND)
    assert plan.window_places(5, 60) == [(5, 60)]
    assert len(plan.window_places(0, 10**6)) == plan.WINDOWS_AHEAD + 1


@pytest.mark.parametrize("seconds", [3, 10, 30, 60])
@pytest.mark.parametrize("most_keys", [500, 4000])
def test_the_number_of_keys_does_not_grow_with_the_query(seconds: int, most_keys: int) -> None:
    peaks = MADE.peaks.between(0, round(seconds * FRAMES_PER_SECOND))
    (question,) = warp.ask(peaks, [Warp(1.03, 1.03)], most_keys)
    assert 0.2 * most_keys <= len(question.keys) <= 1.1 * most_keys
    assert len(question.keys) == len(question.frames)


def test_a_clip_that_is_nowhere_costs_a_bounded_number_of_keys() -> None:
    index = CountingIndex()
    index.add(0, fingerprint_of(music(60.0, seed=5)))
    clip = MADE.peaks.between(0, round(10 * FRAMES_PER_SECOND))
    assert find_matches(Fingerprint(clip, 10.0, MADE.version), index) == []
    # The tiers of the quick way (two that are equally dense ask for nothing new), densely, the grid at once, the best
    # of it if anything agreed.
    assert 5 <= len(index.calls) <= 8
    assert sum(index.calls) < 30_000
    assert max(index.calls) < 0.7 * len(GRID) * plan.SWEEP_KEYS  # neighbours share their keys


def test_windows_that_follow_are_asked_for_at_once() -> None:
    index = ListIndex()
    places = plan.window_places(0, int(MADE.peaks.frames[-1]) + 1)
    ranges = [np.searchsorted(MADE.peaks.frames, place).tolist() for place in places]
    ahead = tuple(plan.Window(first, last, plan.Effort.QUICK) for first, last in ranges)
    asker = Asker(MADE.peaks, index, ())
    first = plan.Window(ahead[0].first, ahead[0].last, plan.Effort.QUICK, ahead[1:])
    for window in (first, *ahead[1:]):
        assert list(asker.rounds(window, asker.peaks(window), ())) == [[]]
    assert len(index.asked) == 1
