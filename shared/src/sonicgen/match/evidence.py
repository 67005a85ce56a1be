"""How much the aligned peaks say: the likelihood of a true place against that of an accident on this very place."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sonicgen.match import decoys
from sonicgen.match.chance import HIGHEST_RATE
from sonicgen.match.pairing import APART, EXACT, NOT_HEARD
from sonicgen.sound.peaks import Peaks

# Where a peak of the query lies when the place is true and damage has left it: apart, close, exact (measured on
# damaged clips on their true places; 0.15, 0.25, 0.6 finds the same).
_WHEN_LEFT = np.array([0.05, 0.20, 0.75])
# Which share of peaks damage has left is not known: the likelihood is the mean over these.
_LEFT = np.linspace(0.1, 0.9, 9)
# The rate of accidents of each peak is its own (a note that sounds throughout aligns everywhere), drawn to the mean of
# all as if that had been seen in so many decoys.
_DRAWN = 8.0
_LOWEST_RATE, _HIGHEST_RATE = 0.005, 0.97
_LEAST_EXACT, _MOST_EXACT = 0.15, 0.6  # the share of accidents that are exact
# Peaks do not align one by one: the harmonics of a note do so together. How much more the decoys scatter than
# independent peaks would tells by how much evidence counts less. The best of them may be repeats of the music: two of
# those that are rotated, one of those that are shifted, among which known repeats are not.
_TURNED_REPEATS, _MOVED_REPEATS = 2, 1
_TRIMMED = 1.1  # what leaving them out takes from the scatter
# Its root: dividing by all of it loses 27 of 568 hard clips on their true places, by none lets most of the synthetic
# pieces that share grid, drums and scale through (docs/fingerprint.md).
_SCATTER_POWER = 0.5


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a place.

    `log10`: of the likelihood ratio. `chance_rate`: the share of peaks that align by accident. `scatter`: by how much
    the evidence was divided.
    """

    log10: float
    chance_rate: float
    scatter: float


@njit(cache=True, nogil=True)
def _accidents(decoy_grades: NDArray[np.int8], lowest_rate: float) -> NDArray[np.float64]:
    """Return for each peak the chances that it is apart, close and exact by accident."""
    n = decoy_grades.shape[1]
    hits, heard = np.zeros(n), np.zeros(n)
    exact = 0.0
    for k in range(len(decoy_grades)):
        for i in range(n):
            grade = decoy_grades[k, i]
            if grade != NOT_HEARD:
                heard[i] += 1
            if grade > APART:
                hits[i] += 1
                exact += grade == EXACT
    mean = hits.sum() / max(1.0, heard.sum())
    exact = min(max(exact / max(1.0, hits.sum()), _LEAST_EXACT), _MOST_EXACT)
    chances = np.empty((n, 3))
    for i in range(n):
        rate = (hits[i] + _DRAWN * mean) / (heard[i] + _DRAWN)
        rate = min(max(rate, lowest_rate), _HIGHEST_RATE)
        chances[i, 0] = 1.0 - rate
        chances[i, 1] = rate * (1.0 - exact)
        chances[i, 2] = rate * exact
    return chances


@njit(cache=True, nogil=True)
def _likelihood(grades: NDArray[np.int8], chances: NDArray[np.float64]) -> tuple[float, float]:
    """Return the log likelihood ratio, and the share of peaks left at which it is greatest."""
    sums = np.zeros(len(_LEFT))
    for s in range(len(_LEFT)):
        for i in range(len(grades)):
            grade = grades[i]
            sums[s] += math.log(1.0 - _LEFT[s] + _LEFT[s] * _WHEN_LEFT[grade] / chances[i, grade])
    best = np.argmax(sums)
    return sums[best] + math.log(np.mean(np.exp(sums - sums[best]))), _LEFT[best]


@njit(cache=True, nogil=True)
def _scatter(decoy_grades: NDArray[np.int8], chances: NDArray[np.float64], left: float, repeats: int) -> float:
    """Return the variance of the decoys' log likelihood ratios over that of independent peaks, at least 1."""
    n = len(chances)
    gains = np.empty((n, 3))
    variance = 0.0
    for i in range(n):
        gains[i] = np.log(1.0 - left + left * _WHEN_LEFT / chances[i])
        gains[i] -= np.sum(chances[i] * gains[i])
        variance += np.sum(chances[i] * gains[i] ** 2)
    scores = np.zeros(len(decoy_grades))
    for k in range(len(decoy_grades)):
        heard = 0
        for i in range(n):
            if decoy_grades[k, i] != NOT_HEARD:
                scores[k] += gains[i, decoy_grades[k, i]]
                heard += 1
        scores[k] *= math.sqrt(n / max(1, heard))
    kept = np.sort(scores)[: max(2, len(scores) - repeats)]
    spread = float((_TRIMMED * np.std(kept)) ** 2)
    return max(1.0, spread / max(variance, 1e-9))


@njit(cache=True, nogil=True)
def _weigh(
    grades: NDArray[np.int8], decoy_grades: NDArray[np.int8], lowest_rate: float, repeats: int
) -> tuple[float, float]:
    """Return the log likelihood ratio, divided because peaks align together, and by how much."""
    chances = _accidents(decoy_grades, lowest_rate)
    total, left = _likelihood(grades, chances)
    scatter = _scatter(decoy_grades, chances, left, repeats) ** _SCATTER_POWER
    return total / scatter, scatter


def gather(
    grades: NDArray[np.int8], reference: Peaks, around: Peaks, times: NDArray[np.float64], pitches: NDArray[np.float64]
) -> Evidence:
    """Return what query peaks of these grades, at these reference times and pitches, say for their place.

    `reference`: its peaks under the query; `around`: these and `decoys.reach_of(times)` frames more on either side. Two
    kinds of decoys are asked, and the one that leaves less is believed.
    """
    there = reference.frames, reference.pitches, times, pitches
    turned = decoys.rotated(*there)
    wrong = decoys.count_at_wrong_pitches(*there)
    counts = np.sort(np.concatenate(((turned > APART).sum(axis=1), wrong)))
    chance_rate = min(float(counts[-2]) / len(times), HIGHEST_RATE)
    lowest_rate = max(_LOWEST_RATE, float(np.sort(wrong)[-2]) / len(times) / 2)
    total, scatter = _weigh(grades, turned, lowest_rate, _TURNED_REPEATS)
    moved = decoys.shifted(around.frames, around.pitches, times, pitches, decoys.reach_of(times))
    if len(moved) >= decoys.FEWEST:
        total, scatter = min((total, scatter), _weigh(grades, moved, lowest_rate, _MOVED_REPEATS))
    return Evidence(total / math.log(10.0), chance_rate, scatter)
