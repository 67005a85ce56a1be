"""Which peaks of a query and of a reference are the same, one to one."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

# How near in time (frames) and pitch (1/48 octave) two peaks must be to count as the same: first roughly around the
# candidate's offset, then around the offset that most agree on, at last around the fitted line.
ROUGH_FRAMES, ROUGH_PITCH = 9.0, 2.0
NEAR_FRAMES, NEAR_PITCH = 2.5, 2.0
CLOSE_FRAMES, CLOSE_PITCH = 1.6, 1.3
# Damage takes peaks away but hardly moves those that stay: of the pairs above, 77 % lie within these where a damaged
# clip is on its true place, and 29 % where it is elsewhere in the recording.
EXACT_FRAMES, EXACT_PITCH = 0.9, 0.5

NOT_HEARD, APART, CLOSE, EXACT = -1, 0, 1, 2  # how a peak aligns; the first: it lies where the reference has no sound


@njit(cache=True, nogil=True)
def pair_peaks(
    ref_frames: NDArray[np.int32],
    ref_pitches: NDArray[np.float32],
    times: NDArray[np.float64],
    pitches: NDArray[np.float64],
    frames_apart: float,
    pitch_apart: float,
) -> NDArray[np.int32]:
    """Return for every query peak (at reference `times`, in order) the reference peak paired with it, or -1.

    Greedy and one to one: each takes the nearest that is still free.
    """
    pairs = np.full(len(times), -1, np.int32)
    used = np.zeros(len(ref_frames), np.bool_)
    start = 0
    for i in range(len(times)):
        while start < len(ref_frames) and ref_frames[start] < times[i] - frames_apart:
            start += 1
        j = start
        best = -1
        nearest = 1e9
        while j < len(ref_frames) and ref_frames[j] <= times[i] + frames_apart:
            apart = abs(ref_pitches[j] - pitches[i])
            if apart <= pitch_apart and not used[j]:
                distance = apart / pitch_apart + abs(ref_frames[j] - times[i]) / frames_apart
                if distance < nearest:
                    nearest = distance
                    best = j
            j += 1
        if best >= 0:
            used[best] = True
            pairs[i] = best
    return pairs


@njit(cache=True, nogil=True)
def grade_peaks(
    ref_frames: NDArray[np.int32],
    ref_pitches: NDArray[np.float32],
    times: NDArray[np.float64],
    pitches: NDArray[np.float64],
) -> NDArray[np.int8]:
    """Return for every query peak (at reference `times`, in order) whether it is APART, CLOSE or EXACT."""
    pairs = pair_peaks(ref_frames, ref_pitches, times, pitches, CLOSE_FRAMES, CLOSE_PITCH)
    grades = np.zeros(len(times), np.int8)
    for i in range(len(times)):
        j = pairs[i]
        if j >= 0:
            is_exact = abs(ref_frames[j] - times[i]) <= EXACT_FRAMES and abs(ref_pitches[j] - pitches[i]) <= EXACT_PITCH
            grades[i] = EXACT if is_exact else CLOSE
    return grades
