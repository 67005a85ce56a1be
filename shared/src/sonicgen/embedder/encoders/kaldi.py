"""Log-mel energies as Kaldi's `compute-fbank-feats` makes them, without dither: what CAM++ was trained on."""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from sonicgen.voices.samples import SAMPLE_RATE_HZ

HOP, WINDOW, POINTS = 160, 400, 512  # samples: 10 ms, 25 ms, and the transform's
BANDS, LOWEST_HZ = 80, 20.0
PREEMPHASIS = 0.97
FLOOR = np.float32(np.finfo(np.float32).eps)  # power below which nothing counts


def fbank(waves: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the features of pieces of mono sound at 16 kHz, 25 ms and more: (pieces, samples) to (…, frames, BANDS).

    Frames are those that fit whole. Each band's mean over its piece is taken off, so that level and channel drop out.
    """
    frames = np.lib.stride_tricks.sliding_window_view(waves, WINDOW, axis=1)[:, ::HOP]
    frames = frames - frames.mean(axis=2, keepdims=True)
    before = np.concatenate((frames[:, :, :1], frames[:, :, :-1]), axis=2)
    spectrum = scipy.fft.rfft((frames - np.float32(PREEMPHASIS) * before) * SHAPE, POINTS, axis=2)[:, :, : POINTS // 2]
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    level = np.log(np.maximum(power @ FILTERS, FLOOR))
    return np.asarray(level - level.mean(axis=1, keepdims=True), np.float32)


def _filters() -> NDArray[np.float32]:
    """Return Kaldi's filters, one a column: triangles in mel."""

    def mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(1127 * np.log(1 + hz / 700), np.float64)

    lowest, highest = mel(np.array([LOWEST_HZ, SAMPLE_RATE_HZ / 2]))
    edges = np.linspace(lowest, highest, BANDS + 2)
    points = mel(np.arange(POINTS // 2) * SAMPLE_RATE_HZ / POINTS)[:, None]
    width = edges[1] - edges[0]
    return np.asarray(np.clip(np.minimum(points - edges[:-2], edges[2:] - points) / width, 0, None), np.float32)


SHAPE = (np.hanning(WINDOW) ** 0.85).astype(np.float32)  # Povey's window
FILTERS = _filters()
