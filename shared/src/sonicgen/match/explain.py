"""What a match rests on: the peaks that lie on each other, and how its offset stands out among the others. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sonicgen.domain.match import Match
from sonicgen.match.index import Index
from sonicgen.match.pairing import CLOSE_PITCH, NEAR_FRAMES, pair_peaks
from sonicgen.match.ranges import Line
from sonicgen.match.reference import ReferencePeaks
from sonicgen.match.verify import verify
from sonicgen.match.warp import Warp
from sonicgen.sound.landmarks import pitch_steps
from sonicgen.sound.peaks import STEPS_PER_OCTAVE, Peaks
from sonicgen.sound.spectrum import FFT_SIZE, FRAMES_PER_SECOND, LOWEST_BIN, SAMPLE_RATE_HZ

# A match of hours is explained by its first minute: 1,500 peaks a side, and what follows looks the same.
MOST_SECONDS = 60.0
# Bins of four frames are as long as one analysis window (93 ms): peaks that are the same lie within ±2 frames.
BIN_FRAMES = 4
# Offsets up to 5 s to either side: a few bars of music, so that repeats show as smaller peaks of their own.
BINS_EACH_SIDE = 54
LOWEST_HZ = LOWEST_BIN * SAMPLE_RATE_HZ / FFT_SIZE


@dataclass(frozen=True, slots=True)
class OffsetHistogram:
    """How many pairs of peaks of the same pitch lie at each offset from the one that was found.

    `offset_seconds` are the middles of the bins, of equal width; 0 is the offset of the match.
    """

    offset_seconds: NDArray[np.float64]
    pairs: NDArray[np.int64]

    @property
    def bin_seconds(self) -> float:
        """The width of a bin."""
        return BIN_FRAMES / FRAMES_PER_SECOND

    @property
    def at_match(self) -> int:
        """Pairs at the offset of the match."""
        return int(self.pairs[BINS_EACH_SIDE])

    @property
    def best_elsewhere(self) -> int:
        """Pairs at the best of the other offsets; the two bins beside the match belong to it."""
        others = np.delete(self.pairs, slice(BINS_EACH_SIDE - 1, BINS_EACH_SIDE + 2))
        return int(others.max())


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a match is one: `query` and `reference` peaks of its (first) seconds, and which of them are the same.

    Frames count from the start of each recording, pitches are in 1/48 octave (`sonicgen.sound.peaks.Peaks`). Peak
    `query_pairs[i]` of the query is peak `reference_pairs[i]` of the reference. The stretches are in seconds.
    """

    match: Match
    query: Peaks
    reference: Peaks
    query_pairs: NDArray[np.int64]
    reference_pairs: NDArray[np.int64]
    histogram: OffsetHistogram
    query_stretch: tuple[float, float]
    reference_stretch: tuple[float, float]

    def to_json(self) -> dict[str, Any]:
        """Return the documented form (docs/api.md)."""
        q, r = self.query_pairs, self.reference_pairs
        return {
            "query_stretch_seconds": _rounded(self.query_stretch, 3),
            "reference_stretch_seconds": _rounded(self.reference_stretch, 3),
            "query_peaks": len(self.query),
            "reference_peaks": len(self.reference),
            "aligned_peaks": len(q),
            "pairs": {
                "query_seconds": _rounded(seconds_of(self.query.frames[q]), 3),
                "query_hz": _rounded(hertz_of(self.query.pitches[q]), 1),
                "reference_seconds": _rounded(seconds_of(self.reference.frames[r]), 3),
                "reference_hz": _rounded(hertz_of(self.reference.pitches[r]), 1),
            },
            "offsets": {
                "bin_seconds": round(self.histogram.bin_seconds, 4),
                "offset_seconds": _rounded(self.histogram.offset_seconds, 4),
                "pairs": self.histogram.pairs.tolist(),
                "at_match": self.histogram.at_match,
                "best_elsewhere": self.histogram.best_elsewhere,
            },
        }


def seconds_of(frames: NDArray[Any]) -> NDArray[np.float64]:
    """Return the moments of analysis frames."""
    return np.asarray(frames, np.float64) / FRAMES_PER_SECOND


def hertz_of(pitches: NDArray[Any]) -> NDArray[np.float64]:
    """Return the frequencies of pitches in 1/48 octave."""
    return LOWEST_HZ * 2.0 ** (np.asarray(pitches, np.float64) / STEPS_PER_OCTAVE)


def explain(query: Peaks, index: Index, match: Match) -> Explanation:
    """Return what a match rests on.

    `query` are all peaks of the clip; the recording's are read from the index, about a minute of them.
    """
    start = match.query_start_seconds
    end = min(match.query_end_seconds, start + MOST_SECONDS)
    part = query.between(math.floor(start * FRAMES_PER_SECOND), math.ceil(end * FRAMES_PER_SECOND))
    reference = ReferencePeaks(index, match.recording)
    line, pitch_shift = _line(part, reference, match)
    first, last = (line.at(moment * FRAMES_PER_SECOND) for moment in (start, end))
    stretch = reference.between(math.floor(first), math.ceil(last))
    pairs = _pairs(part, stretch, line, pitch_shift)
    margin = (BINS_EACH_SIDE + 1) * BIN_FRAMES
    around = reference.between(math.floor(first) - margin, math.ceil(last) + margin)
    return Explanation(
        match,
        part,
        stretch,
        *pairs,
        _offsets(part, around, line, pitch_shift),
        (start, end),
        (max(0.0, first / FRAMES_PER_SECOND), max(0.0, last / FRAMES_PER_SECOND)),
    )


def _line(part: Peaks, reference: ReferencePeaks, match: Match) -> tuple[Line, float]:
    """Return where the query lies on the reference, fitted anew to this part: a long match may bend."""
    tempo, offset = match.speed, match.reference_start_seconds - match.speed * match.query_start_seconds
    line, pitch_shift = Line(tempo, offset * FRAMES_PER_SECOND), pitch_steps(match.pitch)
    if len(part):
        fitted = verify(part, reference, match.recording, line.offset, Warp(tempo, match.pitch), trials=1.0)
        if fitted is not None:
            return Line(fitted.tempo, fitted.offset), fitted.pitch_shift
    return line, pitch_shift


def _pairs(part: Peaks, stretch: Peaks, line: Line, pitch_shift: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indexes of the peaks that lie on each other, those of the query and those of the reference."""
    times, pitches = _on_reference(part, line, pitch_shift)
    pairs = pair_peaks(stretch.frames, stretch.pitches, times, pitches, NEAR_FRAMES, CLOSE_PITCH)
    ours = np.nonzero(pairs >= 0)[0]
    return ours, pairs[ours].astype(np.int64)


def _on_reference(part: Peaks, line: Line, pitch_shift: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where peaks of the query lie on the reference: frames and pitches."""
    return line.tempo * part.frames.astype(np.float64) + line.offset, (part.pitches - pitch_shift).astype(np.float64)


def _offsets(part: Peaks, around: Peaks, line: Line, pitch_shift: float) -> OffsetHistogram:
    middles = np.arange(-BINS_EACH_SIDE, BINS_EACH_SIDE + 1) * BIN_FRAMES / FRAMES_PER_SECOND
    times, pitches = _on_reference(part, line, pitch_shift)
    counts = _count_offsets(times, pitches, around.frames, around.pitches, BIN_FRAMES, BINS_EACH_SIDE, CLOSE_PITCH)
    return OffsetHistogram(middles, counts)


@njit(cache=True, nogil=True)
def _count_offsets(
    times: NDArray[np.float64],
    pitches: NDArray[np.float64],
    ref_frames: NDArray[np.int32],
    ref_pitches: NDArray[np.float32],
    bin_frames: int,
    bins: int,
    pitch_apart: float,
) -> NDArray[np.int64]:
    """Return the pairs of peaks of the same pitch by offset, in 2 × bins + 1 bins around 0; all in order of time."""
    counts = np.zeros(2 * bins + 1, np.int64)
    reach = (bins + 0.5) * bin_frames
    start = 0
    for i in range(len(times)):
        while start < len(ref_frames) and ref_frames[start] < times[i] - reach:
            start += 1
        j = start
        while j < len(ref_frames) and ref_frames[j] < times[i] + reach:
            if abs(ref_pitches[j] - pitches[i]) <= pitch_apart:
                place = math.floor((ref_frames[j] - times[i]) / bin_frames + 0.5) + bins
                if 0 <= place <= 2 * bins:
                    counts[place] += 1
            j += 1
    return counts


def _rounded(values: Any, digits: int) -> list[float]:
    return [round(float(value), digits) for value in values]
