"""Sounds for encoders, the same on every machine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000


def sweep(seconds: float) -> NDArray[np.float32]:
    """Return a tone that rises from 50 Hz to 7 kHz and swells."""
    time = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    phase = 2 * np.pi * (50 * time + 6_950 * time**2 / (2 * seconds))
    return (0.3 * np.sin(phase) * (0.1 + time / seconds)).astype(np.float32)


def hiss(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    """Return noise in beats, silent in between: what is too far below the loudest must be cut off."""
    count = int(seconds * RATE_HZ)
    beats = np.maximum(0, np.sin(2 * np.pi * 5 * np.arange(count) / RATE_HZ))
    noise = np.random.default_rng(seed).standard_normal(count)
    return (0.2 * noise * beats).astype(np.float32)
