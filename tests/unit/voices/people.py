"""Made-up people: unit vectors that scatter around one of their own."""

from __future__ import annotations

from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from sonicgen.voices.encoder import Calibration

DIM = 192
# Fits people of this scatter: 0.5 is a cosine of 0.64 with oneself and of 0 with others, give or take 0.07.
CALIBRATION = Calibration(40.0, -12.0)


def person(number: int) -> UUID:
    return UUID(int=number)


def voices_of(number: int, count: int, scatter: float = 0.75, seed: int = 0) -> NDArray[np.float32]:
    """Return vectors of one person; those of the same seed are the same."""
    own = np.random.default_rng(number).normal(size=DIM)
    noise = np.random.default_rng((seed, number)).normal(size=(count, DIM))
    rows = own + scatter * noise
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
