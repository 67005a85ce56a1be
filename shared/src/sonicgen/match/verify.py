"""Verification: does the query lie on the reference at this offset, and how likely is that by chance?"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sonicgen.match import decoys, evidence
from sonicgen.match.chance import log10_expected, log10_of_trials
from sonicgen.match.pairing import (
    CLOSE,
    CLOSE_FRAMES,
    CLOSE_PITCH,
    EXACT,
    NEAR_FRAMES,
    NEAR_PITCH,
    ROUGH_FRAMES,
    ROUGH_PITCH,
    grade_peaks,
    pair_peaks,
)
from sonicgen.match.reference import ReferencePeaks
from sonicgen.match.warp import Warp
from sonicgen.sound.landmarks import pitch_steps
from sonicgen.sound.peaks import STEPS_PER_OCTAVE, Peaks

FEWEST_MATCHED = 3
FEWEST_INSIDE = 4
FIT_MATCHED, FIT_FRAMES = 8, 60  # a line needs as many points over as long a time; otherwise only the offset is set
# log10 of chance: only what is sure anyway is fitted twice. Two fits are two goes at an accident: where the first is in
# doubt, the better of both was once enough for a false match between two pieces in the same scale (-2.0 became -3.4).
WORTH_A_SECOND_FIT = -6.0
# log10 of chance as if peaks aligned by accident everywhere alike: from here on decoys are not asked.
HOPELESS = 1.0
SAME_TEMPO = 0.003  # 13 ms over 4 s: less than a frame
# Of 19 damaged clips of 10 s from a loop of four seconds the true copy has the most peaks in 12, the least chance
# in 10, the best fit in 17 (with 0 and 0.2 in 16, with 0.5 in 15).
CLOSE_FIT = 0.3
LARGEST_TEMPO_FIX = 0.02  # a fit that changes tempo by more has locked on to something else


@dataclass(frozen=True, slots=True)
class Alignment:
    """Reference frame = tempo × query frame + offset; the query sounds `pitch_shift` (1/48 octave) higher."""

    recording: int
    tempo: float
    offset: float
    pitch_shift: float
    matched: int = 0
    fit: float = 0.0  # the same, those that are close but not exact counted CLOSE_FIT each
    inside: int = 0  # query peaks that fall inside the reference
    chance_rate: float = 1.0  # share of them that would align by accident
    scatter: float = 1.0  # how much less evidence counts because peaks align together
    log10_chance: float = math.inf

    @property
    def pitch(self) -> float:
        """The ratio of frequencies."""
        return float(2.0 ** (self.pitch_shift / STEPS_PER_OCTAVE))

    def at(self, query_frame: float) -> float:
        """Return the reference frame that lies at a query frame."""
        return self.tempo * query_frame + self.offset

    def all_at(self, query_frames: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the reference frames that lie at many query frames."""
        return self.tempo * query_frames + self.offset

    def moved(self, query_frames: int) -> Alignment:
        """Return the same alignment for a query whose frames are counted from `query_frames` earlier."""
        return replace(self, offset=self.offset - self.tempo * query_frames)


def fit_line(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Return slope and intercept of the least-squares line."""
    middle_x, middle_y = float(x.mean()), float(y.mean())
    dx = x - middle_x
    slope = float(dx @ (y - middle_y)) / max(float(dx @ dx), 1e-9)
    return slope, middle_y - slope * middle_x


def _commonest_offset(residuals: NDArray[np.float64]) -> float:
    """Return the offset that most residuals (within ±ROUGH_FRAMES) agree on, to half a frame."""
    counts = np.bincount(np.rint(residuals + 12).astype(np.int64), minlength=30)
    return float(np.argmax(counts[:-1] + counts[1:])) - 11.5


def _refine(
    alignment: Alignment, x: NDArray[np.float64], pitches: NDArray[np.float64], reference: ReferencePeaks
) -> Alignment | None:
    """Return the alignment fitted to the pairs around it, None when there are hardly any."""
    ref = _under(alignment, x, reference)
    pairs = pair_peaks(
        ref.frames, ref.pitches, alignment.all_at(x), pitches - alignment.pitch_shift, ROUGH_FRAMES, ROUGH_PITCH
    )
    i = np.nonzero(pairs >= 0)[0]
    if len(i) < FEWEST_MATCHED:
        return None
    shift = _commonest_offset(ref.frames[pairs[i]] - alignment.all_at(x[i]))
    alignment = replace(alignment, offset=alignment.offset + shift)
    pairs = pair_peaks(
        ref.frames, ref.pitches, alignment.all_at(x), pitches - alignment.pitch_shift, NEAR_FRAMES, NEAR_PITCH
    )
    i = np.nonzero(pairs >= 0)[0]
    if len(i) < FEWEST_MATCHED:
        return None
    residuals = ref.frames[pairs[i]] - alignment.all_at(x[i])
    if len(i) < FIT_MATCHED:
        return replace(alignment, offset=alignment.offset + float(np.median(residuals)))
    sharper = float(np.median(pitches[i] - alignment.pitch_shift - ref.pitches[pairs[i]]))
    alignment = replace(alignment, pitch_shift=alignment.pitch_shift + sharper)
    if np.ptp(x[i]) <= FIT_FRAMES:
        return replace(alignment, offset=alignment.offset + float(np.median(residuals)))
    slope, intercept = fit_line(x[i], residuals)
    if abs(slope) >= LARGEST_TEMPO_FIX:
        return alignment
    return replace(alignment, tempo=alignment.tempo + slope, offset=alignment.offset + intercept)


def _under(alignment: Alignment, x: NDArray[np.float64], reference: ReferencePeaks) -> Peaks:
    return reference.between(*frames_under(alignment, float(x[0]), float(x[-1])))


def frames_under(alignment: Alignment, first: float, last: float, margin: float = 0.0) -> tuple[int, int]:
    """Return which reference frames verification reads for the query's frames first <= frame <= last."""
    reach = ROUGH_FRAMES + 14 + margin
    low, high = sorted((alignment.at(first), alignment.at(last)))
    return math.floor(low - reach), math.ceil(high + reach)


def verify(
    query: Peaks, reference: ReferencePeaks, recording: int, offset: float, warp: Warp, trials: float
) -> Alignment | None:
    """Return the alignment of the query near `offset` with its chance, None when hardly anything aligns.

    `query`: at least one peak. `trials`: how many places and warps were tried (the more, the likelier an accident).
    """
    x = query.frames.astype(np.float64)
    rough = Alignment(recording, warp.tempo, offset, pitch_steps(warp.pitch))
    best = _weigh(rough, query, x, reference, trials)
    if best is None or best.log10_chance > WORTH_A_SECOND_FIT:
        return best
    # Sustained notes hide a change of tempo, never of pitch: what was played faster is off by as much in both.
    if abs(best.pitch - best.tempo) < SAME_TEMPO:
        return best
    middle = float(x[0] + x[-1]) / 2
    twin = replace(best, tempo=best.pitch, offset=best.at(middle) - best.pitch * middle)
    second = _weigh(twin, query, x, reference, trials)
    return second if second is not None and second.log10_chance < best.log10_chance else best


@dataclass(frozen=True, slots=True)
class _Laid:
    """A query laid on a reference: where, and how each of its peaks that fall inside aligns."""

    alignment: Alignment
    reference: Peaks
    grades: NDArray[np.int8]
    times: NDArray[np.float64]
    pitches: NDArray[np.float64]


def _lay(rough: Alignment, query: Peaks, x: NDArray[np.float64], reference: ReferencePeaks) -> _Laid | None:
    """Fit an alignment around a rough one; None when hardly anything aligns."""
    alignment = _refine(rough, x, query.pitches.astype(np.float64), reference)
    if alignment is None:
        return None
    ref = _under(alignment, x, reference)
    if not len(ref):
        return None
    times = alignment.all_at(x)
    pitches = (query.pitches - alignment.pitch_shift).astype(np.float64)
    within = (times >= ref.frames[0] - 1) & (times <= ref.frames[-1] + 1)
    inside = int(within.sum())
    if inside < FEWEST_INSIDE:
        return None
    times, pitches = times[within], pitches[within]
    grades = grade_peaks(ref.frames, ref.pitches, times, pitches)
    exact, close = int((grades == EXACT).sum()), int((grades == CLOSE).sum())
    area = max(1.0, float(times[-1] - times[0]) + 1.0) * (float(np.ptp(query.pitches)) + 1.0)
    rate = min(0.5, 1.0 - math.exp(-len(ref) / area * 4 * CLOSE_FRAMES * CLOSE_PITCH))
    fit = exact + CLOSE_FIT * close
    alignment = replace(alignment, matched=exact + close, fit=fit, inside=inside, chance_rate=rate)
    return _Laid(alignment, ref, grades, times, pitches)


def lay(query: Peaks, reference: ReferencePeaks, rough: Alignment) -> Alignment | None:
    """Return the alignment of the query near a rough one, without its chance; None when hardly anything aligns."""
    laid = _lay(rough, query, query.frames.astype(np.float64), reference)
    return None if laid is None else laid.alignment


def _weigh(
    rough: Alignment, query: Peaks, x: NDArray[np.float64], reference: ReferencePeaks, trials: float
) -> Alignment | None:
    """Return the alignment fitted around a rough one, with its chance."""
    laid = _lay(rough, query, x, reference)
    if laid is None:
        return None
    alignment, times = laid.alignment, laid.times
    expected = log10_expected(alignment.matched, alignment.inside, alignment.chance_rate, trials)
    if expected >= HOPELESS:
        return replace(alignment, log10_chance=expected)
    reach = decoys.reach_of(times)
    around = reference.between(math.floor(times[0]) - reach, math.ceil(times[-1]) + reach)
    found = evidence.gather(laid.grades, laid.reference, around, times, laid.pitches)
    return replace(
        alignment,
        chance_rate=max(alignment.chance_rate, found.chance_rate),
        scatter=found.scatter,
        log10_chance=log10_of_trials(trials) - found.log10,
    )
