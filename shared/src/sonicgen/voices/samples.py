"""Pieces of mono sound at 16 kHz, held in memory or in a mapped file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16_000

# Mono samples at 16 kHz: float32 from -1 to 1, or int16, which may be a mapped file that is larger than memory.
Samples = NDArray[Any]


def duration_seconds(samples: Samples) -> float:
    """Return how long the sound is."""
    return len(samples) / SAMPLE_RATE_HZ


def piece(samples: Samples, start: int, end: int) -> NDArray[np.float32]:
    """Return samples as float32 from -1 to 1; what lies outside of the sound is zero."""
    part = samples[max(start, 0) : max(end, 0)]
    values: NDArray[np.float32] = part.astype(np.float32)
    if np.issubdtype(samples.dtype, np.integer):
        values /= np.float32(32_768)
    if len(values) < end - start:
        values = np.pad(values, (max(-start, 0), 0))
        values = np.pad(values, (0, end - start - len(values)))
    return values
