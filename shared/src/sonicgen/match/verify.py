"""Verification: does the query lie on the reference at this offset, and how likely is that by chance?"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sonicgen.match.chance import log10_expected
from sonicgen.match.reference import ReferencePeaks
from sonicgen.match.warp import Warp
from sonicgen.sound.landmarks import pitch_steps
from sonicgen.sound.peaks import STEPS_PER_OCTAVE, Peaks

# How near in time (frames) and pitch (1/48 octave) two peaks must be to count as the same: first roughly around the
# candidate's offset, then around the offset that most agree on, at last around the fitted line.
ROUGH_FRAMES, ROUGH_PITCH = 9.0, 2.0
NEAR_FRAMES, NEAR_PITCH = 2.5, 2.0
CLOSE_FRAMES, CLOSE_PITCH = 1.6, 1.3
FEWEST_MATCHED = 3
FEWEST_INSIDE = 4
FIT_MATCHED, FIT_FRAMES = 8, 60  # a line needs as many points over as long a time; otherwise only the offset is set
# log10 of chance: only what is sure anyway is fitted twice. Two fits are two goes at an accident: where the first is in
# doubt, the better of both was once enough for a false match between two pieces in the same scale (-2.0 became -3.4).
WORTH_A_SECOND_FIT = -6.0
SAME_TEMPO = 0.003  # 13 ms over 4 s: less than a frame
LARGEST_TEMPO_FIX = 0.02  # a fit that changes tempo by more has locked on to something else
# Decoys: the query's own peaks rotated by k/16 of the overlap, forwards and mirrored, and at wrong pitches. Same notes,
# same density, wrong rhythm: what this very clip reaches on this very place by accident.
_ROTATIONS = 16
_WRONG_PITCHES = np.array([-13.0, -8.5, -5.0, 5.0, 8.5, 13.0])


@dataclass(frozen=True, slots=True)
class Alignment:
    """Reference frame = tempo × query frame + offset; the query sounds `pitch_shift` (1/48 octave) higher."""

    recording: int
    tempo: float
    offset: float
    pitch_shift: float
    matched: int = 0
    inside: int = 0  # query peaks that fall inside the reference
    chance_rate: float = 1.0  # share of them that would align by accident
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
def _decoy_counts(
    ref_frames: NDArray[np.int32],
    ref_pitches: NDArray[np.float32],
    times: NDArray[np.float64],
    pitches: NDArray[np.float64],
    frames_apart: float,
    pitch_apart: float,
) -> NDArray[np.int64]:
    """Return how many pair in each decoy."""
    rotations = 2 * (_ROTATIONS - 1)
    counts = np.empty(rotations + len(_WRONG_PITCHES), np.int64)
    first = times[0]
    width = times[-1] - first + 1.0
    turned = np.empty(len(times), np.float64)
    for k in range(rotations):
        sign = 1.0 if k % 2 == 0 else -1.0
        for i in range(len(times)):
            place = (times[i] - first) * sign / width + (k // 2 + 1) / _ROTATIONS
            turned[i] = first + (place - math.floor(place)) * width
        order = np.argsort(turned, kind="mergesort")
        counts[k] = np.sum(
            pair_peaks(ref_frames, ref_pitches, turned[order], pitches[order], frames_apart, pitch_apart) >= 0
        )
    for k in range(len(_WRONG_PITCHES)):
        wrong = pitches - _WRONG_PITCHES[k]
        counts[rotations + k] = np.sum(
            pair_peaks(ref_frames, ref_pitches, times, wrong, frames_apart, pitch_apart) >= 0
        )
    return counts


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


def _weigh(
    rough: Alignment, query: Peaks, x: NDArray[np.float64], reference: ReferencePeaks, trials: float
) -> Alignment | None:
    """Return the alignment fitted around a rough one, with its chance."""
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
    close = CLOSE_FRAMES, CLOSE_PITCH
    matched = int((pair_peaks(ref.frames, ref.pitches, times, pitches, *close) >= 0).sum())
    area = max(1.0, float(times[-1] - times[0]) + 1.0) * (float(np.ptp(query.pitches)) + 1.0)
    even = 1.0 - math.exp(-len(ref) / area * 4 * CLOSE_FRAMES * CLOSE_PITCH)
    rate = min(0.5, even)
    if log10_expected(matched, inside, rate, trials) < 0.0:  # otherwise decoys cannot make it better
        decoys = np.sort(_decoy_counts(ref.frames, ref.pitches, times, pitches, *close))
        rate = max(rate, float(decoys[-2]) / inside)
    return replace(
        alignment,
        matched=matched,
        inside=inside,
        chance_rate=rate,
        log10_chance=log10_expected(matched, inside, rate, trials),
    )
