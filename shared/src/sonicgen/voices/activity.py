"""Where somebody speaks: voice activity from the sound alone, without a trained model.

A frame counts when its energy stands out of the noise floor of its neighbourhood; a stretch of such frames counts when
enough of it has the pitch of a voice and its partials do not stand still as those of music do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

from sonicgen.voices.samples import SAMPLE_RATE_HZ, Samples, duration_seconds, piece

HOP = 320  # 20 ms
WINDOW = 640  # 40 ms: two periods of the lowest voices
FFT_SIZE = 1024
FRAMES_PER_SECOND = SAMPLE_RATE_HZ / HOP
BLOCK_FRAMES = 3_000  # one minute at a time
MARGIN_FRAMES = 25  # what the sliding means of a block see beyond its ends

LOWEST_BIN, HIGHEST_BIN = 13, 256  # 200 to 4,000 Hz, where speech has its energy
LOWEST_LAG, HIGHEST_LAG = 40, 228  # pitch from 400 down to 70 Hz

# The floor is the tenth percentile of 20 s, the peak the 95th; both slide.
FLOOR_SECONDS, FLOOR_PERCENTILE, PEAK_PERCENTILE = 20.0, 10.0, 95.0
QUIETEST_DB = -75.0  # below this level nothing counts, however silent the rest is
MINIMUM_RANGE_DB = 7.0  # a sound whose peak is no further above its floor is a steady one: a tone, hum, noise
ON_SHARE, LOWEST_ON_DB, HIGHEST_ON_DB = 0.35, 4.0, 11.0  # on at this share of the range above the floor
OFF_SHARE = 0.5  # off at this share of it

BRIDGE_SECONDS = 0.3
PAD_SECONDS = 0.1
SHORTEST_SECONDS = 0.2
VOICED_PERIODICITY = 0.5
VOICED_SHARE = 0.15
HELD_FRAMES = 21  # a partial that stands for 0.4 s is held; the pitch of speech moves faster
HELD_LIMIT = 0.45  # a stretch with more of its energy in held partials is music


@dataclass(frozen=True, slots=True)
class Stretch:
    """From where to where somebody speaks."""

    start_seconds: float
    end_seconds: float


@dataclass(frozen=True, slots=True)
class _Frames:
    """Per frame: level in dB, how periodic it is (0 to 1), the share of its energy in partials that stand still."""

    level_db: NDArray[np.float32]
    periodicity: NDArray[np.float32]
    held: NDArray[np.float32]


def find_speech(samples: Samples) -> list[Stretch]:
    """Return the stretches in which somebody speaks, in order and apart from each other.

    Takes mono sound at 16 kHz of any length; memory grows by 40 kB a minute. Loud music with a clear beat and singing
    may still be taken for speech.
    """
    frames = _measure(samples)
    if not len(frames.level_db):
        return []
    active = _active(frames.level_db)
    spans = [span for span in _spans(active) if _is_voice(frames, *span)]
    return _pad(_bridge(spans), duration_seconds(samples))


def _measure(samples: Samples) -> _Frames:
    count = max(0, (len(samples) - WINDOW) // HOP + 1)
    parts = [
        _measure_block(samples, first, min(first + BLOCK_FRAMES, count)) for first in range(0, count, BLOCK_FRAMES)
    ]
    if not parts:
        nothing = np.empty(0, np.float32)
        return _Frames(nothing, nothing, nothing)
    return _Frames(*(np.concatenate(rows) for rows in zip(*parts, strict=True)))


def _measure_block(samples: Samples, first: int, last: int) -> tuple[NDArray[np.float32], ...]:
    begin, end = first - MARGIN_FRAMES, last + MARGIN_FRAMES
    sound = piece(samples, begin * HOP, (end - 1) * HOP + WINDOW)
    windows = np.lib.stride_tricks.sliding_window_view(sound, WINDOW)[::HOP]
    shape = np.hanning(WINDOW).astype(np.float32)
    power = np.abs(scipy.fft.rfft(windows * shape, FFT_SIZE, axis=1)) ** 2
    band = power[:, LOWEST_BIN:HIGHEST_BIN]
    energy = band.sum(axis=1) + 1e-12
    level = 10 * np.log10(energy / (WINDOW * FFT_SIZE / 4))
    held = (band * _held_partials(band)).sum(axis=1) / energy
    inner = slice(MARGIN_FRAMES, MARGIN_FRAMES + last - first)
    return (
        level[inner].astype(np.float32),
        _periodicity(power[inner], shape),
        held[inner].astype(np.float32),
    )


def _held_partials(band: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which bins belong to a partial that stands still around each frame."""
    level = np.log(band + 1e-12)
    stands_out = level > scipy.ndimage.uniform_filter1d(level, 21, axis=1) + 1.0
    share = scipy.ndimage.uniform_filter1d(stands_out.astype(np.float32), HELD_FRAMES, axis=0)
    steady: NDArray[np.bool_] = share > 0.9
    held: NDArray[np.bool_] = scipy.ndimage.maximum_filter1d(steady, HELD_FRAMES, axis=0) & stands_out
    return held


def _periodicity(power: NDArray[np.float32], shape: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the highest normalised autocorrelation among the lags of a voice's pitch."""
    power = power.copy()
    power[:, 70:] = 0  # above 1.1 kHz breath and noise hide the period
    correlation = scipy.fft.irfft(power, axis=1)[:, : HIGHEST_LAG + 1]
    own = scipy.fft.irfft(np.abs(scipy.fft.rfft(shape, FFT_SIZE)) ** 2)[: HIGHEST_LAG + 1]
    normal = correlation / (correlation[:, :1] + 1e-12) / (own / own[0])
    return np.asarray(normal[:, LOWEST_LAG:].max(axis=1), np.float32).clip(0, 1)


def _active(level: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which frames stand out of the floor, with hysteresis."""
    smooth = scipy.ndimage.uniform_filter1d(level, 3)
    stride = 5
    size = int(FLOOR_SECONDS * FRAMES_PER_SECOND / stride) | 1
    coarse = smooth[::stride]
    floor = scipy.ndimage.percentile_filter(coarse, FLOOR_PERCENTILE, size, mode="nearest")
    peak = scipy.ndimage.percentile_filter(coarse, PEAK_PERCENTILE, size, mode="nearest")
    floor, peak = (np.repeat(values, stride)[: len(level)] for values in (floor, peak))
    span = peak - floor
    on = np.clip(ON_SHARE * span, LOWEST_ON_DB, HIGHEST_ON_DB)
    audible = (smooth > QUIETEST_DB) & (span > MINIMUM_RANGE_DB)
    starts = (smooth > floor + on) & audible
    stays = (smooth > floor + OFF_SHARE * on) & audible
    runs, _ = scipy.ndimage.label(stays)
    kept = np.zeros(int(runs.max()) + 1, bool)
    kept[np.unique(runs[starts])] = True
    kept[0] = False
    active: NDArray[np.bool_] = kept[runs]
    return active


def _spans(active: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], active, [False]))))
    spans = [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return _join(spans, int(BRIDGE_SECONDS * FRAMES_PER_SECOND))


def _join(spans: list[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and start - joined[-1][1] <= gap:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _is_voice(frames: _Frames, start: int, end: int) -> bool:
    if (end - start) / FRAMES_PER_SECOND < SHORTEST_SECONDS:
        return False
    voiced = float((frames.periodicity[start:end] > VOICED_PERIODICITY).mean())
    held = float(np.mean(frames.held[start:end]))
    return voiced >= VOICED_SHARE and held <= HELD_LIMIT


def _bridge(spans: list[tuple[int, int]]) -> list[Stretch]:
    return [Stretch(start / FRAMES_PER_SECOND, ((end - 1) * HOP + WINDOW) / SAMPLE_RATE_HZ) for start, end in spans]


def _pad(stretches: list[Stretch], duration: float) -> list[Stretch]:
    padded: list[Stretch] = []
    for stretch in stretches:
        start = max(0.0, stretch.start_seconds - PAD_SECONDS)
        end = min(duration, stretch.end_seconds + PAD_SECONDS)
        if padded and start <= padded[-1].end_seconds:
            padded[-1] = Stretch(padded[-1].start_seconds, end)
        else:
            padded.append(Stretch(start, end))
    return padded
