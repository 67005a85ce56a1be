"""What a voice, music and noise differ in, measured every 20 ms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

from sonicgen.voices.samples import SAMPLE_RATE_HZ, Samples, piece

HOP = 320  # 20 ms
WINDOW = 640  # 40 ms: two periods of the lowest voices
FRAMES_PER_SECOND = SAMPLE_RATE_HZ / HOP
_FFT_SIZE = 1024
_BLOCK_FRAMES = 3_000  # one minute at a time
_MARGIN_FRAMES = 25  # what the sliding means of a block see beyond its ends

_LOWEST_BIN, _HIGHEST_BIN = 13, 256  # 200 to 4,000 Hz, where speech has its energy
_VOWEL_BINS, _CONSONANT_BINS = slice(13, 64), slice(128, 384)  # 200 to 1,000 and 2,000 to 6,000 Hz
_PITCH_BINS = 70  # above 1.1 kHz breath and noise hide the period
_LOWEST_LAG, _HIGHEST_LAG = 40, 228  # pitch from 400 down to 70 Hz
_HELD_FRAMES = 21  # a partial that stands for 0.4 s is held; the pitch of speech moves faster
# What a band holds all the time (a fan, hum) is no music: four times its tenth percentile is taken off before.
_STEADY_PERCENTILE, _STEADY_MARGIN = 10.0, 4.0


@dataclass(frozen=True, slots=True)
class Frames:
    """One value a frame: level in dB, how periodic it is (0 to 1), how much of it stands still (0 to 1), its tilt.

    `held` is the share of the energy in partials that keep their frequency for 0.4 s; `tilt` the logarithm of the
    consonants' band over the vowels'.
    """

    level_db: NDArray[np.float32]
    periodicity: NDArray[np.float32]
    held: NDArray[np.float32]
    tilt: NDArray[np.float32]


def measure(samples: Samples) -> Frames:
    """Return the measures of mono sound at 16 kHz, whatever its length; no frame when it is shorter than one."""
    count = max(0, (len(samples) - WINDOW) // HOP + 1)
    parts = [
        _measure_block(samples, first, min(first + _BLOCK_FRAMES, count)) for first in range(0, count, _BLOCK_FRAMES)
    ]
    if not parts:
        nothing = np.empty(0, np.float32)
        return Frames(nothing, nothing, nothing, nothing)
    return Frames(*(np.concatenate(rows) for rows in zip(*parts, strict=True)))


def _measure_block(samples: Samples, first: int, last: int) -> tuple[NDArray[np.float32], ...]:
    begin, end = first - _MARGIN_FRAMES, last + _MARGIN_FRAMES
    sound = piece(samples, begin * HOP, (end - 1) * HOP + WINDOW)
    windows = np.lib.stride_tricks.sliding_window_view(sound, WINDOW)[::HOP]
    shape = np.hanning(WINDOW).astype(np.float32)
    power = np.abs(scipy.fft.rfft(windows * shape, _FFT_SIZE, axis=1)) ** 2
    band = power[:, _LOWEST_BIN:_HIGHEST_BIN]
    energy = band.sum(axis=1) + 1e-12
    level = 10 * np.log10(energy / (WINDOW * _FFT_SIZE / 4))
    above = np.maximum(band - _STEADY_MARGIN * np.percentile(band, _STEADY_PERCENTILE, axis=0), 0)
    held = (above * _held_partials(band)).sum(axis=1) / (above.sum(axis=1) + 1e-12)
    tilt = np.log(power[:, _CONSONANT_BINS].sum(axis=1) + 1e-9) - np.log(power[:, _VOWEL_BINS].sum(axis=1) + 1e-9)
    inner = slice(_MARGIN_FRAMES, _MARGIN_FRAMES + last - first)
    return (
        level[inner].astype(np.float32),
        _periodicity(power[inner], shape),
        held[inner].astype(np.float32),
        tilt[inner].astype(np.float32),
    )


def _held_partials(band: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which bins belong to a partial that stands still around each frame."""
    level = np.log(band + 1e-12)
    stands_out = level > scipy.ndimage.uniform_filter1d(level, 21, axis=1) + 1.0
    share = scipy.ndimage.uniform_filter1d(stands_out.astype(np.float32), _HELD_FRAMES, axis=0)
    steady: NDArray[np.bool_] = share > 0.9
    held: NDArray[np.bool_] = scipy.ndimage.maximum_filter1d(steady, _HELD_FRAMES, axis=0) & stands_out
    return held


def _periodicity(power: NDArray[np.float32], shape: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the highest normalised autocorrelation among the lags of a voice's pitch."""
    power = power.copy()
    power[:, _PITCH_BINS:] = 0
    correlation = scipy.fft.irfft(power, axis=1)[:, : _HIGHEST_LAG + 1]
    own = scipy.fft.irfft(np.abs(scipy.fft.rfft(shape, _FFT_SIZE)) ** 2)[: _HIGHEST_LAG + 1]
    normal = correlation / (correlation[:, :1] + 1e-12) / (own / own[0])
    return np.asarray(normal[:, _LOWEST_LAG:].max(axis=1), np.float32).clip(0, 1)
