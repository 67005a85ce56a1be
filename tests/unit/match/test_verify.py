from __future__ import annotations

import numpy as np
import pytest

from sonicgen.match.memory_index import MemoryIndex
from sonicgen.match.reference import ReferencePeaks
from sonicgen.match.verify import verify
from sonicgen.match.warp import FAR, NEAR, Warp
from sonicgen.sound.peaks import Peaks
from tests.unit.sound.signals import fingerprint_of, music

MADE = fingerprint_of(music(60.0, seed=77))
INDEX = MemoryIndex()
INDEX.add(5, MADE)
CLIP = MADE.peaks.between(1000, 1400).shifted(-1000)


def test_the_true_place_is_no_accident_and_the_fit_is_exact() -> None:
    alignment = verify(CLIP, ReferencePeaks(INDEX, 5), 5, 1006.0, Warp(), 1e6)
    assert alignment is not None
    assert alignment.offset == pytest.approx(1000.0, abs=0.5)
    assert alignment.tempo == pytest.approx(1.0, abs=0.001)
    assert alignment.log10_chance < -50
    assert alignment.matched > 0.95 * len(CLIP)


@pytest.mark.parametrize("offset", [300.0, 700.0, 1800.0])
def test_another_place_is_an_accident(offset: float) -> None:
    alignment = verify(CLIP, ReferencePeaks(INDEX, 5), 5, offset, Warp(), 1e6)
    assert alignment is None or alignment.log10_chance > 0


def test_beyond_the_end_nothing_aligns() -> None:
    assert verify(CLIP, ReferencePeaks(INDEX, 5), 5, 50_000.0, Warp(), 1e6) is None


def test_a_fit_finds_tempo_and_pitch_between_the_guesses() -> None:
    frames = np.rint(CLIP.frames / 1.022).astype(np.int32)
    shift = np.float32(48 * np.log2(1.022))
    alignment = verify(
        Peaks(frames, CLIP.pitches + shift, CLIP.strengths), ReferencePeaks(INDEX, 5), 5, 1000.0, Warp(1.03, 1.03), 1e6
    )
    assert alignment is not None
    assert alignment.tempo == pytest.approx(1.022, abs=0.001)
    assert alignment.pitch == pytest.approx(1.022, abs=0.002)


def test_the_guesses_reach_as_far_as_promised() -> None:
    warps = [*NEAR, *FAR]
    assert len(set(warps)) == len(warps)
    assert max(warp.tempo for warp in warps if warp.tempo == warp.pitch) >= 1.10
    assert max(warp.tempo for warp in warps if warp.pitch == 1.0) >= 1.15
    assert min(warp.pitch for warp in warps if warp.tempo == 1.0) <= 0.94
