"""Samples to a whitened spectrum, in a stream: the same rows whatever blocks the samples come in."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.fft
from numba import njit
from numpy.typing import NDArray

from sonicgen.sound.rate import SAMPLE_RATE_HZ as SAMPLE_RATE_HZ

FFT_SIZE = 1024  # 93 ms: resolves speech harmonics and musical notes down to 130 Hz
HOP = 256  # 23 ms
FRAMES_PER_SECOND = SAMPLE_RATE_HZ / HOP
LOWEST_BIN = 12  # 130 Hz: below it lie rumble and mains hum
HIGHEST_BIN = 480  # 5.2 kHz: what codecs of 24 kb/s still carry
BINS = HIGHEST_BIN - LOWEST_BIN

# The local mean: a box of ±24 bins (260 Hz), then an exponential mean of 12 frames (0.28 s) in both directions of time.
WHITENING_BINS = 24
WHITENING_FRAMES = 12.0
# Power this far below the mean of the neighbourhood counts as nothing. It hides the rounding noise of 16-bit files
# under a hum or tone, and what float decoders leave in bands that a codec emptied. Relative, so level cancels out.
FLOOR_RATIO = 1e-6
FLOOR_FRAMES = 43.0  # time constant of that neighbourhood: one second
# A frame below -91 dBFS holds 16-bit dither (-93.3 dBFS, ±0.3 in a frame) and no sound.
SILENCE_POWER = 10.0 ** (-91 / 10)

# Analysis runs on a fixed grid of frames, so that feeding never shows in the result: transforms in batches of 128 rows
# (a vectorised transform rounds differently in its remainder), means in segments of 1,024 rows that look 128 rows
# ahead (what lies beyond weighs e^-10.7).
BATCH_FRAMES = 128
SEGMENT_FRAMES = 1024
LOOKAHEAD_FRAMES = BATCH_FRAMES

_WINDOW = np.hanning(FFT_SIZE + 2)[1:-1].astype(np.float32)
_BATCH_SAMPLES = (BATCH_FRAMES - 1) * HOP + FFT_SIZE
_LOUDEST = 1e6
_TINY = np.float32(1e-20)  # keeps the logarithm of digital silence finite


@njit(cache=True, nogil=True)
def _local_levels(power: NDArray[np.float64], carry: float, time_constant: float) -> NDArray[np.float64]:
    """Return the exponential mean of `power` in both directions; `carry` is the forward mean before it."""
    rows = len(power)
    levels = np.empty(rows, np.float64)
    a = 1.0 / time_constant
    level = carry
    for t in range(rows):
        level += a * (power[t] - level)
        levels[t] = level
    level = power[rows - 1]
    for t in range(rows - 1, -1, -1):
        level += a * (power[t] - level)
        levels[t] = 0.5 * (levels[t] + level)
    return levels


@njit(cache=True, nogil=True, fastmath=True)
def _forward_level(power: NDArray[np.float64], carry: float, time_constant: float) -> float:
    level = carry
    for t in range(len(power)):
        level += (power[t] - level) / time_constant
    return level


@njit(cache=True, nogil=True, fastmath=True)
def _box_means(logs: NDArray[np.float32], half_bins: int, smooth: NDArray[np.float32]) -> None:
    """Write the mean over ±half_bins columns into `smooth`."""
    rows, bins = logs.shape
    for t in range(rows):
        total = np.float32(0.0)
        for f in range(half_bins):
            total += logs[t, f]
        count = half_bins
        for f in range(bins):
            if f + half_bins < bins:
                total += logs[t, f + half_bins]
                count += 1
            if f - half_bins - 1 >= 0:
                total -= logs[t, f - half_bins - 1]
                count -= 1
            smooth[t, f] = total / count


@njit(cache=True, nogil=True, fastmath=True)
def _whiten(
    logs: NDArray[np.float32],
    forward: NDArray[np.float32],
    is_first: bool,
    rows_out: int,
    half_bins: int,
    time_constant: float,
    smooth: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Subtract the local mean from the first `rows_out` rows; `forward` is the mean so far, updated in place.

    `smooth` is room for as many values as there are in `logs`.
    """
    rows, bins = logs.shape
    _box_means(logs, half_bins, smooth)
    a = np.float32(1.0 / time_constant)
    white = np.empty((rows_out, bins), np.float32)
    if is_first:
        forward[:] = smooth[0]
    for t in range(rows_out):
        for f in range(bins):
            forward[f] += a * (smooth[t, f] - forward[f])
            white[t, f] = forward[f]
    backward = smooth[rows - 1].copy()
    for t in range(rows - 1, -1, -1):
        for f in range(bins):
            backward[f] += a * (smooth[t, f] - backward[f])
        if t < rows_out:
            for f in range(bins):
                white[t, f] = logs[t, f] - np.float32(0.5) * (white[t, f] + backward[f])
    return white


@njit(cache=True, nogil=True)
def _take_power(bins: NDArray[np.complex64], power: NDArray[np.float32]) -> None:
    for t in range(len(power)):
        for f in range(power.shape[1]):
            value = bins[t, f]
            power[t, f] = value.real * value.real + value.imag * value.imag


class WhitenedSpectrum:
    """Turns blocks of mono float32 samples at 11,025 Hz into rows of whitened log power (natural logarithm).

    Row k is the frame that starts at sample 256 k; a column is an FFT bin from `LOWEST_BIN`. Memory is bounded: about
    10 MB, whatever the length, most of it room that is used again: fresh memory for each step took a fifth longer.
    """

    def __init__(self) -> None:
        self.samples = 0
        self._pending = np.empty(0, np.float32)
        self._power = np.empty((SEGMENT_FRAMES + LOOKAHEAD_FRAMES, BINS), np.float32)
        self._windowed = np.empty((BATCH_FRAMES, FFT_SIZE), np.float32)
        self._logs = np.empty_like(self._power)
        self._smooth = np.empty_like(self._power)
        self._filled = 0
        self._forward = np.zeros(BINS, np.float32)
        self._level: float | None = None

    def feed(self, block: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """Take samples and yield the rows, if any, that they complete."""
        self.samples += len(block)
        for start in range(0, len(block), 1 << 18):  # a huge block must not need a huge copy
            piece = np.nan_to_num(block[start : start + (1 << 18)], nan=0.0, posinf=0.0, neginf=0.0)
            piece = np.clip(piece, -_LOUDEST, _LOUDEST)  # float files may hold anything; squares must stay finite
            self._pending = np.concatenate((self._pending, piece), dtype=np.float32)
            position = 0
            while len(self._pending) - position >= _BATCH_SAMPLES:
                self._transform(self._pending[position : position + _BATCH_SAMPLES], BATCH_FRAMES)
                position += BATCH_FRAMES * HOP
                if self._filled == len(self._power):
                    yield self._emit(SEGMENT_FRAMES)
            self._pending = self._pending[position:].copy()

    def finish(self) -> Iterator[NDArray[np.float32]]:
        """Yield the remaining rows. A stream shorter than one frame is padded with silence to one."""
        if 0 < self.samples < FFT_SIZE:
            self._pending = np.pad(self._pending, (0, FFT_SIZE - len(self._pending)))
        frames = max(0, (len(self._pending) - FFT_SIZE) // HOP + 1)
        if frames:
            self._transform(np.pad(self._pending, (0, _BATCH_SAMPLES - len(self._pending))), frames)
        self._pending = np.empty(0, np.float32)
        if self._filled:
            yield self._emit(self._filled)

    def _transform(self, samples: NDArray[np.float32], frames: int) -> None:
        windows = np.lib.stride_tricks.sliding_window_view(samples, FFT_SIZE)[::HOP]
        np.multiply(windows, _WINDOW, out=self._windowed)
        bins = scipy.fft.rfft(self._windowed, axis=1)
        _take_power(bins[:, LOWEST_BIN:HIGHEST_BIN], self._power[self._filled : self._filled + frames])
        self._filled += frames

    def _emit(self, rows: int) -> NDArray[np.float32]:
        power = self._power[: self._filled]
        means = power.mean(axis=1, dtype=np.float64)
        is_first = self._level is None
        carry = means[0] if self._level is None else self._level
        floor = FLOOR_RATIO * _local_levels(means, carry, FLOOR_FRAMES)
        self._level = _forward_level(means[:rows], carry, FLOOR_FRAMES)
        logs, smooth = self._logs[: self._filled], self._smooth[: self._filled]
        np.add(power, (floor.astype(np.float32) + _TINY)[:, None], out=logs)
        np.log(logs, out=logs)
        white: NDArray[np.float32] = _whiten(
            logs, self._forward, is_first, rows, WHITENING_BINS, WHITENING_FRAMES, smooth
        )
        white[means[:rows] * BINS < SILENCE_POWER * _FULL_SCALE_POWER] = 0.0
        rest = self._filled - rows
        self._power[:rest] = self._power[rows : self._filled].copy()
        self._filled = rest
        return white


# Sum of power over the one-sided spectrum of a signal with mean square 1 (Parseval).
_FULL_SCALE_POWER = 0.5 * FFT_SIZE * float(np.square(_WINDOW).sum())
