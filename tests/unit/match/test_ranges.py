from __future__ import annotations

import numpy as np
import pytest

from sonicgen.match.memory_index import MemoryIndex
from sonicgen.match.ranges import best_stretch, trace
from sonicgen.match.reference import ReferencePeaks
from sonicgen.match.verify import verify
from sonicgen.match.warp import Warp
from sonicgen.sound.peaks import Peaks
from tests.unit.sound.signals import fingerprint_of, music


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
