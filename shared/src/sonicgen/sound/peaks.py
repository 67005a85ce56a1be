"""Spectral peaks: what a fingerprint is made of, found in a stream of whitened spectrum rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sonicgen.sound.spectrum import BINS, LOWEST_BIN

STEPS_PER_OCTAVE = 48
HALF_FRAMES = 4  # a peak is the highest point within ±4 frames (93 ms) ...
HALF_BINS = 9  # ... and ±9 bins (97 Hz), fewer at the low end
RANK_FRAMES = 16  # and among the strongest RANK_KEEP peaks within ±16 frames (0.37 s): at most about 31 a second.
RANK_KEEP = 24  # A rank keeps its meaning in noise, where a fixed level does not.
LOWEST_LEVEL = 0.7  # above the local mean, natural logarithm of power (3 dB)
LOWEST_RISE = 0.1  # above the lowest of ±4 frames at the same pitch: a steady tone or hum has no moment to point at


@dataclass(frozen=True, slots=True)
class Peaks:
    """Peaks of one recording or a stretch of it, ordered by frame, then pitch.

    `frames`: int32, analysis frames from the start of the recording. `pitches`: float32, in 1/48 octave above the
    lowest analysed frequency. `strengths`: float32, level above the local mean (natural logarithm of power); empty
    for peaks that come from the store, which keeps none.
    """

    frames: NDArray[np.int32]
    pitches: NDArray[np.float32]
    strengths: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.frames)

    def between(self, first_frame: int, last_frame: int) -> Peaks:
        """Return the peaks with first_frame <= frame <= last_frame, as views."""
        low, high = np.searchsorted(self.frames, [first_frame, last_frame + 1])
        return Peaks(self.frames[low:high], self.pitches[low:high], self.strengths[low:high])  # empty stays empty

    def shifted(self, frames: int) -> Peaks:
        """Return the peaks `frames` later."""
        return Peaks((self.frames + frames).astype(np.int32), self.pitches, self.strengths)


def no_peaks() -> Peaks:
    """Return an empty set of peaks."""
    return Peaks(np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.float32))


def join_peaks(parts: list[Peaks]) -> Peaks:
    """Return the parts, which follow each other in time, as one."""
    if not parts:
        return no_peaks()
    return Peaks(
        np.concatenate([part.frames for part in parts]),
        np.concatenate([part.pitches for part in parts]),
        np.concatenate([part.strengths for part in parts]),
    )


@njit(cache=True, nogil=True)
def _is_highest(white: NDArray[np.float32], t: int, f: int, half_bins: int) -> bool:
    """Return whether nothing around is higher; the nearest rows first, since most are beaten there."""
    value = white[t, f]
    rows, bins = white.shape
    low, high = max(0, f - half_bins), min(bins, f + half_bins + 1)
    for apart in range(HALF_FRAMES + 1):
        for a in (t - apart, t + apart):
            if a < 0 or a >= rows:
                continue
            for b in range(low, high):
                if white[a, b] > value:
                    return False
    return True


@njit(cache=True, nogil=True)
def _rise(white: NDArray[np.float32], t: int, f: int) -> float:
    lowest = white[t, f]
    for a in range(max(0, t - HALF_FRAMES), min(len(white), t + HALF_FRAMES + 1)):
        lowest = min(lowest, white[a, f])
    return float(white[t, f] - lowest)


@njit(cache=True, nogil=True)
def _mark(white: NDArray[np.float32], t: int, highest: NDArray[np.float32], marks: NDArray[np.uint8]) -> None:
    """Write into `marks` which bins of a row stand above LOWEST_LEVEL, the next bins and all of ±HALF_FRAMES.

    No branches, so that eight or more bins are compared at once; bin by bin the search for peaks took twice as long.
    `highest` is room for a row.
    """
    row = white[t]
    after = white[min(t + 1, len(white) - 1)]
    highest[:] = row
    for a in range(max(0, t - HALF_FRAMES), min(len(white), t + HALF_FRAMES + 1)):
        other = white[a]
        for f in range(len(row)):
            highest[f] = other[f] if other[f] > highest[f] else highest[f]
    is_last = t + 1 == len(white)
    for f in range(1, len(row) - 1):
        v = row[f]
        marks[f] = (
            (v > LOWEST_LEVEL) & (v >= row[f - 1]) & (v > row[f + 1]) & (v >= highest[f]) & (is_last | (v > after[f]))
        )


@njit(cache=True, nogil=True)
def _local_maxima(
    white: NDArray[np.float32], first: int, last: int, base: int
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """Return (frames, pitches, strengths) of the local maxima in rows first <= t < last; row 0 is frame `base`."""
    room = (last - first) * 48 + 16
    frames = np.empty(room, np.int32)
    pitches = np.empty(room, np.float32)
    strengths = np.empty(room, np.float32)
    highest = np.empty(white.shape[1], np.float32)
    marks = np.zeros((white.shape[1] + 7) // 8 * 8, np.uint8)
    eights = marks.view(np.uint64)
    n = 0
    for t in range(first, last):
        _mark(white, t, highest, marks)
        for word in range(len(eights)):
            if eights[word] == 0:  # most are
                continue
            for f in range(8 * word, 8 * word + 8):
                if marks[f] == 0:
                    continue
                half_bins = HALF_BINS if f > 40 else (HALF_BINS * (f + 20)) // 60
                if n >= room or not _is_highest(white, t, f, half_bins) or _rise(white, t, f) < LOWEST_RISE:
                    continue
                low, v, high = white[t, f - 1], white[t, f], white[t, f + 1]
                bend = low - 2 * v + high
                place = f + LOWEST_BIN + (0.5 * (low - high) / bend if bend < -1e-6 else 0.0)
                frames[n] = base + t
                pitches[n] = STEPS_PER_OCTAVE * math.log2(place / LOWEST_BIN)
                strengths[n] = v
                n += 1
    return frames[:n], pitches[:n], strengths[:n]


@njit(cache=True, nogil=True)
def _among_strongest(
    frames: NDArray[np.int32], strengths: NDArray[np.float32], first: int, last: int, keep: int
) -> NDArray[np.bool_]:
    """Return for the peaks first <= i < last whether fewer than `keep` stronger ones lie within ±RANK_FRAMES."""
    chosen = np.zeros(last - first, np.bool_)
    a = 0
    b = 0
    for i in range(first, last):
        while frames[a] < frames[i] - RANK_FRAMES:
            a += 1
        while b < len(frames) and frames[b] <= frames[i] + RANK_FRAMES:
            b += 1
        stronger = 0
        for j in range(a, b):
            if strengths[j] > strengths[i]:
                stronger += 1
        chosen[i - first] = stronger < keep
    return chosen


class PeakFinder:
    """Finds the peaks in rows of whitened spectrum that come piece by piece; pieces never show in the result."""

    def __init__(self, keep: int = RANK_KEEP) -> None:
        self._keep = keep
        self._rows = np.empty((0, BINS), np.float32)
        self._base = 0  # frame of the first row kept
        self._scanned = 0  # frames whose local maxima are known
        self._maxima = no_peaks()  # undecided ones, and the decided ones they compete with
        self._decided = 0  # how many of them are decided
        self._found: list[Peaks] = []

    def feed(self, rows: NDArray[np.float32]) -> None:
        """Take the next rows."""
        self._rows = np.concatenate((self._rows, rows))
        self._scan(self._base + len(self._rows) - HALF_FRAMES)
        self._decide(self._scanned - RANK_FRAMES)

    def finish(self) -> Peaks:
        """Return all peaks of the stream."""
        end = self._base + len(self._rows)
        self._scan(end)
        self._decide(end)
        return join_peaks(self._found)

    def _scan(self, end: int) -> None:
        if end <= self._scanned:
            return
        fresh = _local_maxima(self._rows, self._scanned - self._base, end - self._base, self._base)
        self._maxima = join_peaks([self._maxima, Peaks(*fresh)])
        self._scanned = end
        keep_from = max(self._base, end - HALF_FRAMES)
        self._rows = self._rows[keep_from - self._base :].copy()
        self._base = keep_from

    def _decide(self, end: int) -> None:
        maxima = self._maxima
        last = int(np.searchsorted(maxima.frames, end))
        if last <= self._decided:
            return
        part = slice(self._decided, last)
        chosen = _among_strongest(maxima.frames, maxima.strengths, self._decided, last, self._keep)
        self._found.append(
            Peaks(maxima.frames[part][chosen], maxima.pitches[part][chosen], maxima.strengths[part][chosen])
        )
        oldest = int(np.searchsorted(maxima.frames, end - RANK_FRAMES))
        self._maxima = Peaks(maxima.frames[oldest:], maxima.pitches[oldest:], maxima.strengths[oldest:])
        self._decided = last - oldest
