"""What the harness's make_queries.py needs of the package `soundfile`, for where it is not installed."""

from __future__ import annotations

import wave

import numpy as np
from numpy.typing import NDArray


def read(path: str, start: int, stop: int, dtype: str) -> tuple[NDArray[np.float32], int]:
    """Return the samples start <= i < stop of a mono 16-bit wav file (-1 to 1), fewer at its end, and its rate."""
    assert dtype == "float32"
    with wave.open(path) as file:
        file.setpos(min(start, file.getnframes()))
        data = file.readframes(max(0, stop - start))
        samples = np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768)
        return samples, file.getframerate()
