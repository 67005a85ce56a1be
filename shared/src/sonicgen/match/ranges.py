"""From one verified window to the full range on both sides, and what ranges of many matches add up to."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sonicgen.match.pairing import CLOSE_PITCH, NEAR_FRAMES, pair_peaks
from sonicgen.match.reference import ReferencePeaks
from sonicgen.match.verify import Alignment, fit_line
from sonicgen.sound.peaks import Peaks

STEP_FRAMES = 128  # 3 s a step: short enough to follow a drifting tape, long enough to be cheap
LARGEST_GAP_FRAMES = 215  # 5 s of other sound inside a match are bridged when it goes on in step
FIT_LAST_FRAMES = 1300  # the line follows the last 30 s
FIT_FEWEST = 12


@dataclass(frozen=True, slots=True)
class Line:
    """Reference frame = tempo × query frame + offset, near one place."""

    tempo: float
    offset: float

    def at(self, frame: float) -> float:
        return self.tempo * frame + self.offset


@dataclass(frozen=True, slots=True)
class Span:
    """A range of the query (frames of its first and last aligned peak), with the line at either end."""

    alignment: Alignment
    first_frame: int
    last_frame: int
    first_line: Line
    last_line: Line
    matched: int
    inside: int
    matched_outside: int  # of them beyond the window that was verified: evidence that the window's chance leaves out
    inside_outside: int

    def line_at(self, frame: float) -> Line:
        """Return the line that holds nearest to a query frame: the path may bend a little in a long match."""
        if frame <= self.first_frame:
            return self.first_line
        if frame >= self.last_frame:
            return self.last_line
        tempo = (self.last_reference - self.first_reference) / max(self.last_frame - self.first_frame, 1)
        return Line(tempo, self.first_reference - tempo * self.first_frame)

    @property
    def first_reference(self) -> float:
        """The reference frame at the first query frame."""
        return self.first_line.at(self.first_frame)

    @property
    def last_reference(self) -> float:
        """The reference frame at the last query frame."""
        return self.last_line.at(self.last_frame)


def weights(alignment: Alignment) -> tuple[float, float]:
    """Return what an aligned peak adds and a peak that is not aligned adds (negative) to the log likelihood ratio.

    The rate of aligned peaks is taken at 80 % of what the window showed, so that noisier passages still count.
    """
    chance = min(max(alignment.chance_rate, 0.02), 0.8)
    rate = max(0.8 * alignment.matched / max(alignment.inside, 1), chance + 0.1)
    rate = min(rate, 0.95)
    return math.log(rate / chance), math.log((1.0 - rate) / (1.0 - chance))


@njit(cache=True, nogil=True)
def best_stretch(aligned: NDArray[np.bool_], gain: float, loss: float) -> tuple[int, int, float]:
    """Return (first, last, sum) of the stretch with the greatest sum (Kadane); last is exclusive."""
    best = 0.0
    best_first = 0
    best_last = 0
    total = 0.0
    first = 0
    for i in range(len(aligned)):
        total += gain if aligned[i] else loss
        if total <= 0.0:
            total = 0.0
            first = i + 1
        elif total > best:
            best = total
            best_first = first
            best_last = i + 1
    return best_first, best_last, best


class _Walker:
    """Walks from a seed outwards in one direction (+1 or -1) for as long as the peaks keep aligning."""

    def __init__(self, query: Peaks, reference: ReferencePeaks, alignment: Alignment, direction: int) -> None:
        self._query = query
        self._reference = reference
        self._alignment = alignment
        self._direction = direction
        self._gain, self._loss = weights(alignment)
        self.line = Line(alignment.tempo, alignment.offset)
        self.matched = 0  # peaks that aligned beyond the seed
        self._pairs_x = np.empty(0)
        self._pairs_y = np.empty(0)

    def walk(self, seed: NDArray[np.int64], first: int, last: int) -> int:
        """Return the index of the farthest aligned peak; the seed is the query peaks first <= i < last.

        Goes on while the sum of the log likelihood ratio makes a new maximum at least every LARGEST_GAP_FRAMES, and
        stops at that maximum.
        """
        forward = self._direction > 0
        best_index = last - 1 if forward else first
        self._remember(seed)
        total = best = 0.0
        edge = int(self._query.frames[best_index])
        position = best_index
        passed = 0
        while True:
            chunk = self._next_chunk(position)
            if not len(chunk):
                return best_index
            position = int(chunk[-1])
            aligned, on_reference = self._align(chunk)
            sums = total + np.cumsum(np.where(aligned, self._gain, self._loss))
            total = float(sums[-1])
            top = int(np.argmax(sums))
            if sums[top] > best:
                best, best_index = float(sums[top]), int(chunk[top])
                edge = int(self._query.frames[best_index])
                kept = aligned[: top + 1]
                self.matched = passed + int(kept.sum())
                self._remember_pairs(chunk[: top + 1][kept], on_reference[: top + 1][kept])
            passed += int(aligned.sum())
            if abs(int(self._query.frames[position]) - edge) > LARGEST_GAP_FRAMES:
                return best_index

    def _next_chunk(self, position: int) -> NDArray[np.int64]:
        frames = self._query.frames
        here = int(frames[position])
        if self._direction > 0:
            end = max(int(np.searchsorted(frames, here + STEP_FRAMES, "right")), min(position + 2, len(frames)))
            return np.arange(position + 1, end)
        end = min(int(np.searchsorted(frames, here - STEP_FRAMES, "left")), max(position - 1, 0))
        return np.arange(position - 1, end - 1, -1)

    def _align(self, chunk: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        order = chunk if self._direction > 0 else chunk[::-1]
        aligned, on_reference = align(self._query, order, self.line, self._alignment.pitch_shift, self._reference)
        return (aligned, on_reference) if self._direction > 0 else (aligned[::-1], on_reference[::-1])

    def _remember(self, seed: NDArray[np.int64]) -> None:
        aligned, on_reference = align(self._query, seed, self.line, self._alignment.pitch_shift, self._reference)
        self._pairs_x = self._query.frames[seed[aligned]].astype(np.float64)
        self._pairs_y = on_reference[aligned]

    def _remember_pairs(self, indexes: NDArray[np.int64], on_reference: NDArray[np.float64]) -> None:
        x = np.concatenate((self._pairs_x, self._query.frames[indexes]))
        y = np.concatenate((self._pairs_y, on_reference))
        near = np.abs(x - self._query.frames[indexes[-1]]) <= FIT_LAST_FRAMES if len(indexes) else np.ones(len(x), bool)
        self._pairs_x, self._pairs_y = x[near], y[near]
        if len(x) >= FIT_FEWEST:
            self.line = Line(*fit_line(self._pairs_x, self._pairs_y))


def align(
    query: Peaks, indexes: NDArray[np.int64], line: Line, pitch_shift: float, reference: ReferencePeaks
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return for the query peaks at `indexes` (ascending) whether they align, and to which reference frames."""
    times = line.tempo * query.frames[indexes] + line.offset
    ref = reference.between(math.floor(times[0] - NEAR_FRAMES), math.ceil(times[-1] + NEAR_FRAMES))
    pitches = (query.pitches[indexes] - pitch_shift).astype(np.float64)
    pairs = pair_peaks(ref.frames, ref.pitches, times, pitches, NEAR_FRAMES, CLOSE_PITCH)
    aligned = pairs >= 0
    on_reference = np.zeros(len(pairs))
    on_reference[aligned] = ref.frames[pairs[aligned]]
    return aligned, on_reference


def trace(query: Peaks, reference: ReferencePeaks, alignment: Alignment, first: int, last: int) -> Span | None:
    """Return the full range of an alignment that was verified on the query peaks first <= i < last.

    Inside the window the best stretch counts (a window may hold the start of a match, or several), from there it is
    followed in both directions. None when nothing is left.
    """
    line = Line(alignment.tempo, alignment.offset)
    indexes = np.arange(first, last)
    aligned, _ = align(query, indexes, line, alignment.pitch_shift, reference)
    for _ in range(2):  # the second time with the rate of the stretch itself
        low, high, total = best_stretch(aligned, *weights(alignment))
        if total <= 0.0:
            return None
        alignment = replace(alignment, matched=int(aligned[low:high].sum()), inside=high - low)
    seed = indexes[low:high]
    left = _Walker(query, reference, alignment, -1)
    right = _Walker(query, reference, alignment, +1)
    start = left.walk(seed, first + low, first + high)
    end = right.walk(seed, first + low, first + high)
    matched = alignment.matched + left.matched + right.matched
    frames = query.frames
    return Span(
        alignment,
        int(frames[start]),
        int(frames[end]),
        left.line,
        right.line,
        matched,
        end + 1 - start,
        max(0, matched - int(aligned.sum())),
        max(0, first - start) + max(0, end + 1 - last),
    )
