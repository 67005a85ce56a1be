"""Stretches of a recording, in seconds, and the peaks that lie in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sonicgen.sound.fingerprint import Fingerprint
from sonicgen.sound.peaks import Peaks
from sonicgen.sound.spectrum import FRAMES_PER_SECOND


def peaks_within(fingerprint: Fingerprint, stretches: Sequence[tuple[float, float]]) -> Peaks:
    """Return the peaks that lie within some (start, end) seconds of a recording."""
    peaks, inside = fingerprint.peaks, _inside(fingerprint, stretches)
    return Peaks(peaks.frames[inside], peaks.pitches[inside], peaks.strengths[inside])


def share_within(fingerprint: Fingerprint, stretches: Sequence[tuple[float, float]]) -> float:
    """Return which share (0 to 1) of a recording's sound lies within some stretches.

    Sound is counted in peaks, so that silence, which nothing can match, does not count against a copy.
    """
    if not len(fingerprint.peaks):
        return 0.0
    return float(np.count_nonzero(_inside(fingerprint, stretches)) / len(fingerprint.peaks))


def _inside(fingerprint: Fingerprint, stretches: Sequence[tuple[float, float]]) -> NDArray[np.bool_]:
    frames = fingerprint.peaks.frames
    inside = np.zeros(len(frames), np.bool_)
    for start_seconds, end_seconds in stretches:
        inside |= (frames >= start_seconds * FRAMES_PER_SECOND) & (frames <= end_seconds * FRAMES_PER_SECOND)
    return inside
