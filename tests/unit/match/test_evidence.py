from __future__ import annotations

import numpy as np
import pytest

from sonicgen.match import evidence
from sonicgen.match.evidence import Evidence
from sonicgen.match.pairing import APART, CLOSE, EXACT, grade_peaks
from sonicgen.sound.peaks import Peaks

DECOYS, PEAKS = 30, 100
RANDOM = np.random.default_rng(8)
# One peak in ten aligns in a decoy, three of ten of them exactly.
SCATTERED = RANDOM.choice([APART, CLOSE, EXACT], (DECOYS, PEAKS), p=[0.9, 0.07, 0.03]).astype(np.int8)


def weigh(grades: np.ndarray, decoys: np.ndarray = SCATTERED) -> float:
    total, scatter = evidence._weigh(grades.astype(np.int8), decoys, 0.01, 2)
    assert scatter >= 1.0
    return float(total)


def aligned(count: int, grade: int) -> np.ndarray:
    return np.where(np.arange(PEAKS) < count, grade, APART)


def test_what_a_decoy_reaches_is_no_evidence() -> None:
    assert max(weigh(decoy) for decoy in SCATTERED) < 3.0


def test_exact_peaks_say_more_than_close_ones() -> None:
    assert weigh(aligned(40, EXACT)) > weigh(aligned(40, CLOSE)) + 20


def test_a_note_that_sounds_throughout_says_nothing() -> None:
    drone = SCATTERED.copy()
    drone[:, :40] = EXACT
    assert weigh(aligned(40, EXACT), drone) < weigh(aligned(40, EXACT)) / 4


def test_peaks_that_come_together_count_less() -> None:
    chords = np.repeat(RANDOM.choice([APART, EXACT], (DECOYS, PEAKS // 10), p=[0.8, 0.2]), 10, axis=1).astype(np.int8)
    alone = RANDOM.permuted(chords, axis=0)
    chances = evidence._accidents(chords, 0.01)
    assert evidence._scatter(chords, chances, 0.5, 0) > 3 * evidence._scatter(alone, chances, 0.5, 0)


def on_the_beat(seed: int, drums: int, beats: int = 60) -> Peaks:
    """Return drums on each beat, the same for every seed, and four notes of a scale of twelve."""
    random = np.random.default_rng(seed)
    notes = np.sort(10.0 * random.permuted(np.tile(np.arange(12), (beats, 1)), axis=1)[:, :4], axis=1)
    drum = np.tile(131.0 + 11.0 * np.arange(drums), (beats, 1))
    frames = np.repeat(np.arange(beats, dtype=np.int32) * 23, 4 + drums)
    return Peaks(frames, np.hstack((notes, drum)).ravel().astype(np.float32), np.ones(len(frames), np.float32))


def gather(query: Peaks, reference: Peaks) -> Evidence:
    part, around = query.between(460, 890), reference
    times, pitches = part.frames.astype(np.float64), part.pitches.astype(np.float64)
    under = reference.between(440, 910)
    grades = grade_peaks(under.frames, under.pitches, times, pitches)
    return evidence.gather(grades, under, around, times, pitches)


@pytest.mark.parametrize("drums", [1, 4])  # with four, more than half of the peaks come again on every beat
def test_a_beat_drums_and_a_scale_in_common_make_no_copy(drums: int) -> None:
    piece = on_the_beat(1, drums)
    copy, others = gather(piece, piece), [gather(piece, on_the_beat(seed, drums)) for seed in range(2, 10)]
    assert max(other.log10 for other in others) < 4.0  # against rotated decoys alone: 15 and more
    assert copy.log10 > 15.0
