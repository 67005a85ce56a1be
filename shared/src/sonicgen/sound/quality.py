"""How good a recording sounds: how far up its spectrum reaches, how much is clipped, how far noise lies below it.

A copy is rarely better than what it was made from: every codec takes a piece of the top, and a re-encoding keeps what
an earlier one took away. Spectrum and clipping are looked at as the file holds the sound, before it is resampled.
"""

from __future__ import annotations

from functools import lru_cache
from typing import cast

import av
import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft

from sonicgen.domain.quality import Quality

# One look a second keeps the cost at 0.2 % of decoding; the ten-hour file has 36,000 of them.
LOOK_EVERY_SECONDS = 1.0
_FFT_SIZE = 1_024  # an AAC frame; 43 Hz at 44.1 kHz
# Codecs empty the bins above their limit, resamplers leave -90 dB and less there: what is 75 dB below the strongest bin
# on average is empty. Music and speech at full bandwidth stay 15 dB above that at 15 kHz.
_EMPTY_DB = -75.0
# The spectrum is judged window by window and the middle one counts: an intro of some seconds must not speak for the
# whole. Windows this far below the loudest are pauses, whose top is empty in every recording.
_WINDOW_LOOKS = 5
_PAUSE_SHARE = 0.01
_CLIPPED_LEVEL = 0.999
# Levels are counted in bins of 1 dB; below -100 dB of full scale there is nothing at all, which tells of no noise.
_LOWEST_DB = -100
_LEVEL_SAMPLES = 256  # 23 ms at 11,025 Hz, shorter than the pauses between words
# Pauses of speech are a fifth of it and more; less than that may be an intro that others do not have.
_NOISE_SHARE, _LOUD_SHARE = 0.15, 0.85
# The floor: in frames of 46 ms, which tell the harmonics of a voice apart, the level below which a fifth of the bins
# lie. Between the notes of music without pauses that is all that tells of noise. Every codec has this band, and every
# telephone.
_FLOOR_SAMPLES, _FLOOR_BAND, _FLOOR_SHARE = 512, slice(9, 163), 0.2  # bins of 21.5 Hz: 200 to 3,500 Hz
_FLOOR_EVERY = 4  # five frames a second
_FLOOR_WINDOW = np.hanning(_FLOOR_SAMPLES).astype(np.float32)
_LOSSLESS = frozenset({"flac", "alac", "wavpack", "ape", "tta", "truehd", "mlp"})


class QualityMeter:
    """Follows a file's decoding and says in the end how good it sounded."""

    def __init__(self) -> None:
        self._next_look_seconds = 0.0
        self._seconds = 0.0
        self._levels = np.zeros(-_LOWEST_DB + 1, np.int64)
        self._floors = np.zeros(-_LOWEST_DB + 1, np.int64)
        self._window = np.zeros(_FFT_SIZE // 2 + 1)  # power, summed over the looks of the window: loud ones weigh most
        self._looks = 0
        self._bandwidths: list[tuple[float, float]] = []  # of each window: power, Hz
        self._rate_hz = 0
        self._looked = self._clipped = 0
        self._codec = ""
        self._bytes = 0

    def weigh(self, size_bytes: int) -> None:
        """Take note of a packet's size."""
        self._bytes += size_bytes

    def look(self, frame: av.AudioFrame, codec: str) -> None:
        """Take a frame as it was decoded; most are let pass."""
        self._seconds += frame.samples / frame.sample_rate
        if self._seconds < self._next_look_seconds or frame.samples < _FFT_SIZE // 2:
            return
        self._next_look_seconds = self._seconds + LOOK_EVERY_SECONDS
        if frame.sample_rate != self._rate_hz:
            self._close_window()
            self._rate_hz = frame.sample_rate
        self._codec = codec
        samples = _one_channel(frame)
        self._clipped += int(np.count_nonzero(np.abs(samples) >= _CLIPPED_LEVEL))
        self._looked += len(samples)
        samples = samples[:_FFT_SIZE]
        self._window += np.abs(np.fft.rfft(samples * _shape(len(samples)), _FFT_SIZE)) ** 2
        self._looks += 1
        if self._looks == _WINDOW_LOOKS:
            self._close_window()

    def hear(self, block: NDArray[np.float32]) -> None:
        """Take a block of the resampled sound."""
        whole = len(block) // _LEVEL_SAMPLES * _LEVEL_SAMPLES
        self._levels += _histogram(np.square(block[:whole]).reshape(-1, _LEVEL_SAMPLES).mean(axis=1))
        whole = len(block) // _FLOOR_SAMPLES * _FLOOR_SAMPLES
        frames = block[:whole].reshape(-1, _FLOOR_SAMPLES)[::_FLOOR_EVERY]
        power = np.abs(rfft(frames * _FLOOR_WINDOW, axis=1)[:, _FLOOR_BAND]) ** 2
        mean = power.mean(axis=1)
        sounds = mean > _PAUSE_SHARE * mean.max(initial=0.0)
        rank = round(_FLOOR_SHARE * power.shape[1])
        self._floors += _histogram(np.partition(power[sounds], rank, axis=1)[:, rank] / mean[sounds])

    def finish(self) -> Quality | None:
        """Return what was heard; None when there was nothing but silence."""
        self._close_window()
        heard = self._levels.copy()
        heard[0] = 0
        if not self._bandwidths or not heard.any():
            return None
        powers, bandwidths = np.array(self._bandwidths).T
        quiet, loud = _quantiles(heard, _NOISE_SHARE, _LOUD_SHARE)
        (floor,) = _quantiles(self._floors, 0.5)
        return Quality(
            bandwidth_hz=round(float(np.median(bandwidths[powers >= _PAUSE_SHARE * powers.max()]))),
            clipped_share=round(self._clipped / self._looked, 6),
            noise_db=float(quiet - loud),
            sample_rate_hz=self._rate_hz,
            codec=self._codec,
            is_lossless=self._codec in _LOSSLESS or self._codec.startswith("pcm_"),
            floor_db=float(floor + _LOWEST_DB) if self._floors.any() else None,
            bit_rate=round(8 * self._bytes / self._seconds) if self._bytes else None,
        )

    def _close_window(self) -> None:
        power = float(self._window.sum())
        if power > 0:
            self._bandwidths.append((power, _bandwidth_hz(self._window, self._rate_hz)))
        self._window[:] = 0
        self._looks = 0


def _histogram(powers: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return how many powers there are in each bin of 1 dB."""
    decibels = np.floor(10 * np.log10(powers + 1e-20)).astype(np.int64)
    return np.bincount(np.clip(decibels, _LOWEST_DB, 0) - _LOWEST_DB, minlength=1 - _LOWEST_DB)


def _quantiles(histogram: NDArray[np.int64], *shares: float) -> NDArray[np.intp]:
    """Return the bins below which these shares lie."""
    return np.searchsorted(np.cumsum(histogram) / max(1, histogram.sum()), shares)


@lru_cache(maxsize=64)
def _shape(samples: int) -> NDArray[np.float32]:
    """Return a window whose side lobes fall off fast enough to see an empty top.

    It is as long as the frame: an Opus frame has 960 samples, and one that breaks off leaks at -80 dB.
    """
    return np.blackman(samples).astype(np.float32)


def _one_channel(frame: av.AudioFrame) -> NDArray[np.float32]:
    """Return a frame's first channel from -1 to 1: mixing would hide its clipping."""
    values = frame.to_ndarray()
    if not frame.format.is_planar:
        values = values.reshape(-1, frame.layout.nb_channels).T
    first = values[0]
    if np.issubdtype(first.dtype, np.floating):
        return cast(NDArray[np.float32], first.astype(np.float32))
    limits = np.iinfo(first.dtype)
    middle = 128.0 if limits.min == 0 else 0.0
    return cast(NDArray[np.float32], ((first.astype(np.float32) - middle) / (limits.max - middle)).astype(np.float32))


def _bandwidth_hz(spectrum: NDArray[np.float64], rate_hz: int) -> float:
    """Return the frequency above which the summed power spectrum is empty."""
    smooth = np.convolve(spectrum, np.ones(5) / 5, "same")
    level = 10 * np.log10(smooth / smooth.max() + 1e-20)
    filled = np.flatnonzero(level > _EMPTY_DB)
    return float(filled[-1]) * rate_hz / _FFT_SIZE
