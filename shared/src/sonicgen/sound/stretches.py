"""Stretches of a recording, in seconds, and the peaks that lie in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sonicgen.sound.fingerprint import Fingerprint
from sonicgen.sound.peaks import Peaks
from sonicgen.sound.spectrum import FRAMES_PER_SECOND

# Peaks that are further apart have silence between them: 20 to 31 come in a second of speech or music, and pauses
# between words take less.
SOUNDING_SECONDS = 0.5


def peaks_within(fingerprint: Fingerprint, stretches: Sequence[tuple[float, float]]) -> Peaks:
    """Return the peaks that lie within some (start, end) seconds of a recording."""
    peaks, inside = fingerprint.peaks, _inside(fingerprint, stretches)
    return Peaks(peaks.frames[inside], peaks.pitches[inside], peaks.strengths[inside])


def share_within(fingerprint: Fingerprint, stretches: Sequence[tuple[float, float]]) -> float:
    """Return which share (0 to 1) of a recording's sound lies within some stretches.

    Sound is counted by the time in which there are peaks: silence, which nothing can match, does not count against a
    copy, and an advert with twice as many peaks a second as the speech around it counts no more than that.
    """
    if not len(fingerprint.peaks):
        return 0.0
    seconds = _sounding_seconds(fingerprint)
    return float(seconds[_inside(fingerprint, stretches)].sum() / seconds.sum())


def _sounding_seconds(fingerprint: Fingerprint) -> NDArray[np.float64]:
    """Return for each peak the time it speaks for: halfway to its neighbours, together at most SOUNDING_SECONDS."""
    frames = fingerprint.peaks.frames / FRAMES_PER_SECOND
    edges = np.concatenate(([0.0], (frames[1:] + frames[:-1]) / 2, [max(fingerprint.seconds, frames[-1])]))
    return np.minimum(np.diff(edges), SOUNDING_SECONDS)


def _inside(fingerprint: Fingerprint, stretches: Sequence[tuple[float, float]]) -> NDArray[np.bool_]:
    frames = fingerprint.peaks.frames
    inside = np.zeros(len(frames), np.bool_)
    for start_seconds, end_seconds in stretches:
        inside |= (frames >= start_seconds * FRAMES_PER_SECOND) & (frames <= end_seconds * FRAMES_PER_SECOND)
    return inside
