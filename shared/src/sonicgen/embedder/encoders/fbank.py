"""Log-mel energies as SpeechBrain's `Fbank` makes them, without torch."""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from sonicgen.voices.samples import SAMPLE_RATE_HZ

HOP = 160
WINDOW = 400
BANDS = 80
FLOOR = 1e-10  # power below which nothing counts
RANGE_DB = 80.0  # what is further below the loudest cell of a piece is raised to there


def frame_count(samples: int) -> int:
    """Return how many frames a piece of so many samples has."""
    return 1 + samples // HOP


def fbank(waves: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the features of pieces of mono sound at 16 kHz: (pieces, samples) to (pieces, frames, BANDS).

    In dB, each band's mean over its piece taken off, so that the level and a fixed channel drop out. All pieces of a
    call are whole: there is no padding, hence no lengths.
    """
    padded = np.pad(waves, ((0, 0), (WINDOW // 2, WINDOW // 2)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW, axis=1)[:, ::HOP]
    spectrum = scipy.fft.rfft(frames * SHAPE, axis=2)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    level = 10 * np.log10(np.maximum(power @ FILTERS, FLOOR))
    level = np.maximum(level, level.max(axis=(1, 2), keepdims=True) - RANGE_DB)
    return np.asarray(level - level.mean(axis=1, keepdims=True), np.float32)


def _filters() -> NDArray[np.float32]:
    """Return SpeechBrain's triangular filters, one a column: symmetric in Hz, as wide as to their lower neighbour."""
    highest = 2595 * np.log10(1 + SAMPLE_RATE_HZ / 2 / 700)
    hz = 700 * (10 ** (np.linspace(0, highest, BANDS + 2) / 2595) - 1)
    width, centre = np.diff(hz)[:-1], hz[1:-1]
    slope = (np.linspace(0, SAMPLE_RATE_HZ / 2, WINDOW // 2 + 1)[:, None] - centre) / width
    return np.asarray(np.clip(np.minimum(1 + slope, 1 - slope), 0, None), np.float32)


SHAPE = (0.54 - 0.46 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)
FILTERS = _filters()
