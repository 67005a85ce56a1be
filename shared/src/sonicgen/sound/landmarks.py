"""Landmarks: triples of peaks as integer keys, rare enough to find one place among thousands of hours.

An anchor and two later peaks give 29 bits: the anchor's pitch (7), two differences of pitch (6 each) and two of time
(5 each), coarsely quantised. The index holds few of them (3 targets an anchor); a query asks for more, and also for the
neighbours whose quantisation border is nearest, so the cost of tolerance lies with the query and not with the index.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sonicgen.sound.peaks import STEPS_PER_OCTAVE, Peaks

INDEX_FAN = 3
LARGEST_FAN = 8
MOVES = 16  # how many neighbours of a key are known to `query_landmarks`, itself included
NEAREST_FRAMES, FARTHEST_FRAMES = 3, 64  # a target lies 70 ms to 1.5 s after its anchor ...
FARTHEST_PITCH = 42.0  # ... and within 7/8 octave
APART_FRAMES = 2  # the two targets are at least this far apart
PITCH_STEP, DIFFERENCE_STEP, TIME_STEP = 2.0, 2.0, 2.5  # 1/24 octave, 1/24 octave, 58 ms

# Which of the five coordinates move to their nearest neighbour: none, one, or two of them.
_PAIRS = ((0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4))
_MOVES = np.array(
    [[0] * 5]
    + [[int(i == j) for j in range(5)] for i in range(5)]
    + [[int(i in pair) for i in range(5)] for pair in _PAIRS],
    np.int64,
)


@njit(cache=True, nogil=True)
def _strongest_targets(
    frames: NDArray[np.int32],
    pitches: NDArray[np.float32],
    strengths: NDArray[np.float32],
    i: int,
    fan: int,
    targets: NDArray[np.int32],
    levels: NDArray[np.float32],
) -> int:
    """Write the `fan` strongest targets of anchor i into `targets`, strongest first; return how many there are."""
    m = 0
    for j in range(i + 1, len(frames)):
        step = frames[j] - frames[i]
        if step > FARTHEST_FRAMES:
            break
        if step < NEAREST_FRAMES or abs(pitches[j] - pitches[i]) > FARTHEST_PITCH:
            continue
        v = strengths[j]
        if m < fan:
            p = m
            m += 1
        elif v > levels[m - 1]:
            p = m - 1
        else:
            continue
        while p > 0 and levels[p - 1] < v:
            levels[p] = levels[p - 1]
            targets[p] = targets[p - 1]
            p -= 1
        levels[p] = v
        targets[p] = j
    return m


@njit(cache=True, nogil=True)
def _triples(
    frames: NDArray[np.int32], pitches: NDArray[np.float32], strengths: NDArray[np.float32], fan: int, weakest: float
) -> NDArray[np.int32]:
    """Return (n, 3) indexes of anchor (of strength `weakest` or more), nearer target, farther target."""
    room = len(frames) * (fan * (fan - 1) // 2)
    triples = np.empty((room, 3), np.int32)
    targets = np.empty(fan, np.int32)
    levels = np.empty(fan, np.float32)
    n = 0
    for i in range(len(frames)):
        if strengths[i] < weakest:
            continue
        m = _strongest_targets(frames, pitches, strengths, i, fan, targets, levels)
        for p in range(m):
            for q in range(p + 1, m):
                x, y = min(targets[p], targets[q]), max(targets[p], targets[q])  # peaks are in order of time
                if frames[y] - frames[x] < APART_FRAMES:
                    continue
                triples[n, 0], triples[n, 1], triples[n, 2] = i, x, y
                n += 1
    return triples[:n]


@njit(cache=True, nogil=True)
def _key(c: NDArray[np.int64]) -> np.int64:
    key: np.int64 = (
        (c[0] & 127) << 22 | ((c[1] + 24) & 63) << 16 | ((c[2] + 24) & 63) << 10 | (c[3] & 31) << 5 | (c[4] & 31)
    )
    return key


@njit(cache=True, nogil=True)
def _add_up(near: NDArray[np.float64], moves: NDArray[np.int64], cost: NDArray[np.float64]) -> None:
    """Write into `cost` how far each move has to go (plain loops: array expressions took four times as long)."""
    for m in range(len(moves)):
        total = 0.0
        for d in range(5):
            total += moves[m, d] * near[d]
        cost[m] = total


@njit(cache=True, nogil=True)
def _keys(
    triples: NDArray[np.int32],
    frames: NDArray[np.int32],
    pitches: NDArray[np.float32],
    tempo: float,
    pitch_shift: float,
    moves: NDArray[np.int64],
    probes: int,
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return keys (n * probes) with the anchor frame of each, the exact key first, then the likeliest neighbours."""
    n = len(triples)
    keys = np.empty(n * probes, np.int32)
    anchors = np.empty(n * probes, np.int32)
    base = np.empty(5, np.int64)
    step = np.empty(5, np.int64)
    near = np.empty(5, np.float64)
    moved = np.empty(5, np.int64)
    cost = np.empty(len(moves), np.float64)
    place = np.empty(5, np.float64)
    for i in range(n):
        a, b, c = triples[i]
        place[0] = (pitches[a] - pitch_shift) / PITCH_STEP
        place[1] = (pitches[b] - pitches[a]) / DIFFERENCE_STEP
        place[2] = (pitches[c] - pitches[a]) / DIFFERENCE_STEP
        place[3] = (frames[b] - frames[a]) * tempo / TIME_STEP
        place[4] = (frames[c] - frames[a]) * tempo / TIME_STEP
        for d in range(5):
            base[d] = math.floor(place[d])
            rest = place[d] - base[d]
            step[d] = 1 if rest >= 0.5 else -1
            near[d] = min(rest, 1.0 - rest)
        _add_up(near, moves, cost)
        for k in range(probes):
            best = np.argmin(cost)
            cost[best] = np.inf
            for d in range(5):
                moved[d] = base[d] + moves[best, d] * step[d]
            keys[i * probes + k] = _key(moved)
            anchors[i * probes + k] = round(frames[a] * tempo)
    return keys, anchors


def pitch_steps(ratio: float) -> float:
    """Return a ratio of frequencies in 1/48 octave."""
    return STEPS_PER_OCTAVE * math.log2(ratio)


def index_landmarks(peaks: Peaks) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the landmarks that an index keeps: (keys, frames of their anchors)."""
    return query_landmarks(peaks, INDEX_FAN, 1)


def query_landmarks(
    peaks: Peaks, fan: int, probes: int, tempo: float = 1.0, pitch: float = 1.0, *, weakest_anchor: float = 0.0
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the landmarks that a query asks for, as if it had been played at the reference's speed.

    `fan`: targets an anchor (at most 8). `probes`: keys a landmark (at most 16). `tempo` and `pitch`: how much faster
    and higher the query is thought to be; frames come back in the reference's time. `weakest_anchor`: the strength from
    which a peak may be an anchor; targets may be weaker.
    """
    if not 2 <= fan <= LARGEST_FAN or not 1 <= probes <= MOVES:
        raise ValueError("fan must be 2 to 8, probes 1 to 16.")
    if len(peaks.strengths) != len(peaks):
        raise ValueError("Landmarks need the peaks' strengths, which stored peaks do not have.")
    triples = _triples(peaks.frames, peaks.pitches, peaks.strengths, fan, weakest_anchor)
    keys, frames = _keys(triples, peaks.frames, peaks.pitches, tempo, pitch_steps(pitch), _MOVES, probes)
    return keys, frames
