"""Spectral peaks: what a fingerprint is made of, and how they are kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Peaks:
    """Peaks of one recording or a stretch of it, ordered by frame, then pitch.

    `frames`: int32, analysis frames from the start of the recording. `pitches`: float32, in 1/48 octave above the
    lowest analysed frequency. `strengths`: float32, level above the local mean (natural logarithm of power); empty for
    peaks that come from the store, which keeps none.
    """

    frames: NDArray[np.int32]
    pitches: NDArray[np.float32]
    strengths: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.frames)
