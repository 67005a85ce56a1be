"""A measure of voices that needs no network: tests of what stands around an encoder use it for one.

Cepstrum and pitch of a window, turned and scaled by a linear discriminant analysis of LibriSpeech's readers
(`cepstra.npz`), so that their cosine means the same in every recording.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from sonicgen.voices.samples import SAMPLE_RATE_HZ

HOP = 160
WINDOW = 400
FFT_SIZE = 512
BANDS = 30
LOWEST_HZ, HIGHEST_HZ = 80.0, 7_600.0
COEFFICIENTS = 20  # c1 to c20; c0 is loudness
LOUD_SHARE = 0.7  # only the loudest frames of a window count: pauses say nothing of the voice
SPREAD = (0.15, 0.85)  # quantiles of each coefficient
LOWEST_LAG, HIGHEST_LAG = 40, 228  # pitch from 400 to 70 Hz
PITCH_BINS = 36  # below 1.1 kHz
VOICED = 0.45
UNKNOWN_PITCH_HZ = 150.0
LEVEL = 0.05  # every window is brought to this level, so that the floor of the logarithm means the same

MEASURES = 5 * COEFFICIENTS + 4


def embed(windows: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return one unit vector a window of mono speech at 16 kHz; close ones are likely the same voice.

    Made for windows of 1.5 s. Equal error rate among ten readers it has not seen: 5.3 % for 1.5 s against a whole
    utterance, 13 % for two windows of 1.5 s with noise and echo.
    """
    mean, turn = _projection()
    rows = [(measure(window) - mean) @ turn for window in windows]
    if not rows:
        return np.empty((0, turn.shape[1]), np.float32)
    table = np.array(rows)
    return np.asarray(table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-9), np.float32)


def measure(window: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return a window's MEASURES: of the cepstrum mean, deviation, deviation of its change and quantiles; of the pitch
    median, deviation, how often there is one and its lower quartile.
    """
    window = np.pad(window, (0, max(0, 5 * HOP + WINDOW - len(window))))
    window = window * (LEVEL / (np.sqrt(np.mean(np.square(window))) + 1e-9))
    frames = np.lib.stride_tricks.sliding_window_view(window, WINDOW)[::HOP]
    power = np.abs(scipy.fft.rfft(frames * _SHAPE, FFT_SIZE, axis=1)) ** 2
    bands = np.log(power @ _FILTERS + 1e-10)
    loudness = bands.mean(axis=1)
    loud = loudness >= np.quantile(loudness, 1 - LOUD_SHARE)
    cepstrum = scipy.fft.dct(bands, norm="ortho", axis=1)[:, 1 : COEFFICIENTS + 1]
    change = np.zeros_like(cepstrum)
    change[2:-2] = (cepstrum[3:-1] - cepstrum[1:-3] + 2 * (cepstrum[4:] - cepstrum[:-4])) / 10
    cepstrum, change = cepstrum[loud], change[loud]
    lags = _pitch_lags(power[loud])
    pitch = np.log(SAMPLE_RATE_HZ / lags) if len(lags) > 3 else np.full(2, np.log(UNKNOWN_PITCH_HZ))
    return np.concatenate(
        (
            cepstrum.mean(axis=0),
            cepstrum.std(axis=0),
            change.std(axis=0),
            np.quantile(cepstrum, SPREAD, axis=0).ravel(),
            [np.median(pitch), pitch.std(), len(lags) / len(cepstrum), np.quantile(pitch, 0.25)],
        )
    )


@cache
def _projection() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean of the measures and the matrix that turns them into a vector."""
    with np.load(Path(__file__).with_suffix(".npz")) as stored:
        return stored["mean"], stored["turn"]


def _pitch_lags(power: NDArray[np.floating]) -> NDArray[np.intp]:
    """Return the lag of the pitch of each frame that has one."""
    low = power.copy()
    low[:, PITCH_BINS:] = 0
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
