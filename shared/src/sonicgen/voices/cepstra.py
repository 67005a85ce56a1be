"""Voices as vectors without a trained model: what the cepstrum of a window of speech looks like on average."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from sonicgen.voices.samples import SAMPLE_RATE_HZ

HOP = 160
WINDOW = 400
FFT_SIZE = 512
BANDS = 30
LOWEST_HZ, HIGHEST_HZ = 80.0, 7_600.0
COEFFICIENTS = 19  # c1 to c19; c0 is loudness
LOUD_SHARE = 0.7  # only the loudest frames of a window count: pauses say nothing of the voice
LOWEST_LAG, HIGHEST_LAG = 40, 228  # pitch from 400 to 70 Hz
VOICED = 0.45


def embed(windows: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return one unit vector a window of mono speech at 16 kHz; close ones are likely the same voice.

    The vectors are scaled by how much each measure varies over all windows that are given, so those of one call
    compare with each other and not with those of another.
    """
    rows = [_measure(window) for window in windows]
    if not rows:
        return np.empty((0, 2 * COEFFICIENTS + 2), np.float32)
    table = np.array(rows, np.float64)
    table -= table.mean(axis=0)
    table /= table.std(axis=0) + 1e-6
    norms = np.linalg.norm(table, axis=1, keepdims=True)
    return np.asarray(table / np.maximum(norms, 1e-9), np.float32)


def _measure(window: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return mean and deviation of the cepstrum, and of the logarithm of the pitch."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(window, (0, max(0, WINDOW - len(window)))), WINDOW)[::HOP]
    power = np.abs(scipy.fft.rfft(frames * _SHAPE, FFT_SIZE, axis=1)) ** 2
    bands = np.log(power @ _FILTERS + 1e-10)
    loudness = bands.mean(axis=1)
    loud = loudness >= np.quantile(loudness, 1 - LOUD_SHARE)
    cepstrum = scipy.fft.dct(bands[loud], norm="ortho", axis=1)[:, 1 : COEFFICIENTS + 1]
    lags = _pitch_lags(power[loud])
    pitch = np.log(SAMPLE_RATE_HZ / lags) if len(lags) else np.log(np.array([150.0]))
    return np.concatenate((cepstrum.mean(axis=0), cepstrum.std(axis=0), [np.median(pitch), pitch.std()]))


def _pitch_lags(power: NDArray[np.floating]) -> NDArray[np.intp]:
    low = power.copy()
    low[:, 36:] = 0
    correlation = scipy.fft.irfft(low, axis=1)[:, : HIGHEST_LAG + 1] / _OWN
    normal = correlation[:, LOWEST_LAG:] / (correlation[:, :1] + 1e-12)
    best = normal.argmax(axis=1)
    voiced = normal[np.arange(len(best)), best] > VOICED
    lags: NDArray[np.intp] = best[voiced] + LOWEST_LAG
    return lags


def _mel_filters() -> NDArray[np.float32]:
    """Return triangular bands of equal width on the mel scale, one a column."""

    def mel(hz: float) -> float:
        return float(2595 * np.log10(1 + hz / 700))

    edges = 700 * (10 ** (np.linspace(mel(LOWEST_HZ), mel(HIGHEST_HZ), BANDS + 2) / 2595) - 1)
    bins = np.arange(FFT_SIZE // 2 + 1) * SAMPLE_RATE_HZ / FFT_SIZE
    rising = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    return np.asarray(np.clip(np.minimum(rising, falling), 0, None), np.float32)


_SHAPE = np.hamming(WINDOW).astype(np.float32)
_FILTERS = _mel_filters()
_OWN = scipy.fft.irfft(np.abs(scipy.fft.rfft(_SHAPE, FFT_SIZE)) ** 2)[: HIGHEST_LAG + 1]
_OWN = _OWN / _OWN[0]
