from __future__ import annotations

import numpy as np
import pytest

from sonicgen.domain.match import Decision, Match
from sonicgen.match.memory_index import MemoryIndex
from sonicgen.match.ranges import best_stretch, covered_ranges, covered_seconds, novel_ranges, trace
from sonicgen.match.reference import ReferencePeaks
from sonicgen.match.verify import verify
from sonicgen.match.warp import Warp
from sonicgen.sound.peaks import Peaks
from tests.unit.sound.signals import fingerprint_of, music


def match(start: float, end: float) -> Match:
    return Match(1, start, end, 0.0, end - start, 1.0, 1.0, 10.0, 1.0, -9.0, Decision.MATCH)


def test_overlaps_count_once() -> None:
    matches = [match(10, 20), match(0, 5), match(15, 30)]
    assert covered_ranges(matches) == [(0, 5), (10, 30)]
    assert covered_seconds(matches) == 25


def test_what_is_novel() -> None:
    matches = [match(10, 20), match(21, 30)]
    assert novel_ranges(60, matches) == [(0.0, 10), (20, 21), (30, 60)]
    assert novel_ranges(60, matches, minimum_seconds=2) == [(0.0, 10), (30, 60)]
    assert novel_ranges(60, []) == [(0.0, 60)]
    assert novel_ranges(30, [match(0, 30.5)]) == []
    assert novel_ranges(0, []) == []


def test_best_stretch() -> None:
    aligned = np.array([0, 0, 1, 1, 0, 1, 1, 0, 0, 0, 1], np.bool_)
    first, last, total = best_stretch(aligned, 1.0, -1.0)
    assert (first, last, total) == (2, 7, 3.0)
    assert best_stretch(np.zeros(4, np.bool_), 1.0, -1.0) == (0, 0, 0.0)


def test_a_drifting_copy_is_followed_to_its_end() -> None:
    peaks = fingerprint_of(music(200.0, seed=31)).peaks
    index = MemoryIndex()
    index.add(0, fingerprint_of(music(200.0, seed=31)))
    frames = peaks.frames.astype(np.float64)
    bent = np.rint(frames * (1.0 + 0.004 * frames / frames[-1])).astype(np.int32)  # 0 to 0.8 % slower
    query = Peaks(bent, peaks.pitches, peaks.strengths)
    reference = ReferencePeaks(index, 0)
    window = int(np.searchsorted(query.frames, 500))
    alignment = verify(query.between(0, 499), reference, 0, 0.0, Warp(), 1e4)
    assert alignment is not None
    span = trace(query, reference, alignment, 0, window)
    assert span is not None
    assert span.last_frame > query.frames[-1] - 43
    assert span.last_reference == pytest.approx(float(peaks.frames[-1]), abs=43)
    assert span.matched > 0.9 * len(query)
