"""Decoys: where the query's own peaks cannot belong, and how many of them align there all the same.

What aligns by accident depends on the sound: how dense it is, which notes come again and again, whether all of it lies
on one grid of beats. So the measure is taken from this very clip and this very place.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sonicgen.match.pairing import APART, NOT_HEARD, grade_peaks

ROTATIONS = 16  # the overlap is rotated by so many equal steps, forwards and mirrored
WRONG_PITCHES = np.array([-13.0, -8.5, -5.0, 5.0, 8.5, 13.0])  # 1/48 octave
# The shifts at which the two rhythms agree best: in music on a grid of beats these are whole beats, which rotations by
# sixteenths of the overlap miss. With 24 or 60 shifts more is lost of short clips without rhythm (docs/fingerprint.md).
SHIFTS = 12
FEWEST = 6
MOST_REPEATS = 36  # so many more are looked at, for those that are left out
# A shift that brings this share of the reference on to itself is a repeat of the music: for loops (a real one) it is
# 0.2 to 0.8; two pieces that share their beat, their drums and their scale stay below 0.32.
REPEATED_SHARE = 0.4
NEAREST_SHIFT_FRAMES = 9  # 0.2 s: what is nearer is the same place
SHORTEST_REACH_FRAMES, LONGEST_REACH_FRAMES = 215, 430  # 5 and 10 s either way
_BESIDE_BINS = 5  # half frames: shifts this near to one that was taken are the same beat


@njit(cache=True, nogil=True)
def rotated(
    ref_frames: NDArray[np.int32],
    ref_pitches: NDArray[np.float32],
    times: NDArray[np.float64],
    pitches: NDArray[np.float64],
) -> NDArray[np.int8]:
    """Return (decoy, peak) grades of the peaks rotated within the time they span: same notes, wrong order."""
    grades = np.empty((2 * (ROTATIONS - 1), len(times)), np.int8)
    first = times[0]
    width = times[-1] - first + 1.0
    turned = np.empty(len(times), np.float64)
    for k in range(len(grades)):
        sign = 1.0 if k % 2 == 0 else -1.0
        for i in range(len(times)):
            place = (times[i] - first) * sign / width + (k // 2 + 1) / ROTATIONS
            turned[i] = first + (place - math.floor(place)) * width
        order = np.argsort(turned, kind="mergesort")
        found = grade_peaks(ref_frames, ref_pitches, turned[order], pitches[order])
        for i in range(len(times)):
            grades[k, order[i]] = found[i]
    return grades


@njit(cache=True, nogil=True)
def count_at_wrong_pitches(
    ref_frames: NDArray[np.int32],
    ref_pitches: NDArray[np.float32],
    times: NDArray[np.float64],
    pitches: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Return how many peaks align at each of the wrong pitches."""
    counts = np.empty(len(WRONG_PITCHES), np.int64)
    for k in range(len(counts)):
        counts[k] = np.sum(grade_peaks(ref_frames, ref_pitches, times, pitches - WRONG_PITCHES[k]) > APART)
    return counts


def reach_of(times: NDArray[np.float64]) -> int:
    """Return how far (frames) around the query the reference is read for shifted decoys."""
    return round(min(max(float(times[-1] - times[0]), SHORTEST_REACH_FRAMES), LONGEST_REACH_FRAMES))


@njit(cache=True, nogil=True)
def _likely_shifts(ref_frames: NDArray[np.int32], times: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """Return the shifts (frames), best first, that bring most peaks, whatever their pitch, on to the reference's."""
    middle = 2 * reach + 2
    counts = np.zeros(2 * middle + 1)
    start = 0
    for i in range(len(times)):
        while start < len(ref_frames) and ref_frames[start] < times[i] - reach:
            start += 1
        j = start
        while j < len(ref_frames) and ref_frames[j] <= times[i] + reach:
            counts[round(2 * (ref_frames[j] - times[i])) + middle] += 1
            j += 1
    agreeing = np.zeros(len(counts))
    for i in range(1, len(counts) - 1):
        if 2 * NEAREST_SHIFT_FRAMES <= abs(i - middle) <= 2 * (reach - 2):
            agreeing[i] = counts[i] + 0.5 * (counts[i - 1] + counts[i + 1])
    shifts = np.empty(SHIFTS + MOST_REPEATS)
    n = 0
    while n < len(shifts):
        i = int(np.argmax(agreeing))
        if agreeing[i] <= 0.0:
            break
        shifts[n] = (i - middle) / 2
        n += 1
        agreeing[max(0, i - _BESIDE_BINS) : i + _BESIDE_BINS + 1] = 0.0
    return shifts[:n]


@njit(cache=True, nogil=True)
def _share_aligned(grades: NDArray[np.int8]) -> float:
    """Return which share of the peaks that are heard aligns; 0 when fewer than half are heard."""
    heard = np.sum(grades != NOT_HEARD)
    return np.sum(grades > APART) / heard if 2 * heard >= len(grades) and heard else 0.0


@njit(cache=True, nogil=True)
def _shift(
    ref_frames: NDArray[np.int32], ref_pitches: NDArray[np.float32], times: NDArray[np.float64],
    pitches: NDArray[np.float64], shift: float,
) -> NDArray[np.int8]:  # fmt: skip
    moved = times + shift
    grades: NDArray[np.int8] = grade_peaks(ref_frames, ref_pitches, moved, pitches)
    for i in range(len(times)):
        if not ref_frames[0] - 1 <= moved[i] <= ref_frames[-1] + 1:
            grades[i] = NOT_HEARD
    return grades


@njit(cache=True, nogil=True)
def shifted(
    ref_frames: NDArray[np.int32],
    ref_pitches: NDArray[np.float32],
    times: NDArray[np.float64],
    pitches: NDArray[np.float64],
    reach: int,
) -> NDArray[np.int8]:
    """Return (decoy, peak) grades of the peaks shifted to where the rhythms agree.

    Where the reference repeats itself the query belongs as well: that is no decoy. At least half of each is heard.
    """
    first, last = np.searchsorted(ref_frames, np.array([times[0], times[-1]]))
    shifts = _likely_shifts(ref_frames, times, reach)
    own_times = ref_frames[first:last].astype(np.float64)
    own_pitches = ref_pitches[first:last].astype(np.float64)
    grades = np.empty((SHIFTS, len(times)), np.int8)
    n = 0
    for are_repeats in (False, True):
        if are_repeats and n >= FEWEST:  # hardly anything but repeats: a drum machine, whose beats are all there is
            break
        for shift in shifts:
            own_grades = _shift(ref_frames, ref_pitches, own_times, own_pitches, shift)
            if n == SHIFTS or are_repeats != (_share_aligned(own_grades) >= REPEATED_SHARE):
                continue
            grades[n] = _shift(ref_frames, ref_pitches, times, pitches, shift)
            if 2 * np.sum(grades[n] != NOT_HEARD) >= len(times):
                n += 1
    return grades[:n]
