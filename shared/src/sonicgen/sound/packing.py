"""How peaks are kept: two bytes each, in segments of a fixed number of frames."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sonicgen.sound.peaks import Peaks, no_peaks

SEGMENT_FRAMES = 4096  # 95 s: about 2,500 peaks or 5 kB a row, a good size for one read
PITCH_STEPS = 2  # kept in 1/96 octave; matching tolerates 1.3/48
_PITCH_BITS = 9  # 5.3 octaves of 96 steps
_LARGEST_PITCH = (1 << _PITCH_BITS) - 1
_LONG_GAP = 127  # a word with this step holds no peak: its low bits count whole gaps of 127 frames


def quantise_pitches(pitches: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the pitches as they come back from the store."""
    steps = np.clip(np.rint(pitches * PITCH_STEPS), 0, _LARGEST_PITCH)
    return (steps / PITCH_STEPS).astype(np.float32)


def split_segments(peaks: Peaks) -> Iterator[tuple[int, Peaks]]:
    """Yield (segment number, its peaks) for every segment that holds any; segment n starts at frame 4,096 n."""
    numbers = peaks.frames // SEGMENT_FRAMES
    for number in np.unique(numbers).tolist():
        yield number, peaks.between(number * SEGMENT_FRAMES, (number + 1) * SEGMENT_FRAMES - 1)


def pack_peaks(peaks: Peaks, first_frame: int) -> bytes:
    """Return the peaks of one segment as little-endian 16-bit words: 7 bits frames since the last, 9 bits pitch."""
    if not len(peaks):
        return b""
    frames = peaks.frames.astype(np.int64)
    steps = frames - np.concatenate((np.array([first_frame], np.int64), frames[:-1]))
    if steps.min() < 0:
        raise ValueError("Peaks must be in order of time and not before first_frame.")
    gaps, steps = steps // _LONG_GAP, steps % _LONG_GAP
    if gaps.max() > _LARGEST_PITCH:
        raise ValueError("Peaks more than 64,000 frames apart do not fit in one segment.")
    pitches = np.clip(np.rint(peaks.pitches * PITCH_STEPS), 0, _LARGEST_PITCH).astype(np.int64)
    words = np.stack((_LONG_GAP << _PITCH_BITS | gaps, steps << _PITCH_BITS | pitches), axis=1)
    needed = np.stack((gaps > 0, np.ones(len(gaps), np.bool_)), axis=1)
    return bytes(words[needed].astype("<u2").tobytes())


def unpack_peaks(data: bytes, first_frame: int) -> Peaks:
    """Return the peaks that `pack_peaks` packed; pitches are quantised, strengths are not kept."""
    words = np.frombuffer(data, "<u2").astype(np.int32)
    if not len(words):
        return no_peaks()
    steps, low = words >> _PITCH_BITS, words & _LARGEST_PITCH
    is_gap = steps == _LONG_GAP
    frames = first_frame + np.cumsum(np.where(is_gap, low * _LONG_GAP, steps), dtype=np.int32)
    pitches = (low[~is_gap] / PITCH_STEPS).astype(np.float32)
    return Peaks(frames[~is_gap].astype(np.int32), pitches, np.empty(0, np.float32))
