from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sonicgen.match import decoys
from sonicgen.match.pairing import APART, EXACT, NOT_HEARD

BEAT_FRAMES = 23
Frames = NDArray[np.int32]
Pitches = NDArray[np.float32]


def beats(count: int, seed: int) -> tuple[Frames, Pitches]:
    """Return three random notes a beat."""
    random = np.random.default_rng(seed)
    frames = np.repeat(np.arange(count, dtype=np.int32) * BEAT_FRAMES, 3)
    return frames, random.uniform(0, 250, len(frames)).astype(np.float32)


def shift(frames: Frames, pitches: Pitches, first: int, last: int) -> NDArray[np.int8]:
    part = (frames >= first) & (frames < last)
    times = frames[part].astype(np.float64)
    own = pitches[part].astype(np.float64)
    grades: NDArray[np.int8] = decoys.shifted(frames, pitches, times, own, decoys.reach_of(times))
    return grades


def test_shifts_are_whole_beats() -> None:
    frames, _ = beats(60, seed=1)
    shifts = decoys._likely_shifts(frames, frames[60:90].astype(np.float64), 300)
    best = shifts[: decoys.SHIFTS]
    assert np.allclose(best % BEAT_FRAMES, 0)
    assert abs(best).min() == BEAT_FRAMES


def test_other_notes_on_the_same_beats_hardly_align() -> None:
    grades = shift(*beats(60, seed=2), 600, 900)
    assert len(grades) == decoys.SHIFTS
    assert 0 < (grades > APART).mean() < 0.2


def test_a_repeat_of_the_music_is_no_decoy() -> None:
    frames, pitches = beats(60, seed=3)
    loop = np.tile(pitches[:24], 8)[: len(pitches)]  # the same eight beats again and again
    grades = shift(frames, loop, 600, 900)
    assert len(grades) > 0
    assert (grades > APART).mean(axis=1).max() < 0.3


def test_where_the_reference_has_no_sound_nothing_is_heard() -> None:
    frames, pitches = beats(20, seed=4)
    grades = shift(frames, pitches, 0, 440)
    heard = (grades != NOT_HEARD).mean(axis=1)
    assert heard.min() >= 0.5
    assert heard.min() < 1.0


def test_rotated_peaks_keep_their_pitches() -> None:
    frames, _ = beats(20, seed=5)
    one_note = np.full(len(frames), 50.0)
    grades = decoys.rotated(frames, one_note.astype(np.float32), frames.astype(np.float64), one_note)
    assert grades.shape == (2 * (decoys.ROTATIONS - 1), len(frames))
    assert (grades == EXACT).any()
    wrong = decoys.count_at_wrong_pitches(frames, one_note.astype(np.float32), frames.astype(np.float64), one_note)
    assert wrong.tolist() == [0] * len(decoys.WRONG_PITCHES)


@pytest.mark.parametrize(("seconds", "frames"), [(3, 215), (7, 301), (30, 430)])
def test_the_reach_grows_with_the_query(seconds: int, frames: int) -> None:
    assert decoys.reach_of(np.array([0.0, seconds * 43.066])) == pytest.approx(frames, abs=1)
