"""The teacher: GE2E with the weights in the package Resemblyzer (Apache 2.0), which heard thousands of voices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sonicgen.embedder.encoders.ge2e import FRAMES, Ge2eNetwork, mel

STEP_FRAMES = 80


class Teacher:
    """Says where a voice lies among others."""

    def __init__(self, weights: Path) -> None:
        self._network = Ge2eNetwork(weights)

    def embed(self, sounds: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return each utterance's unit vector: the mean over windows of 1.6 s every 0.8 s."""
        parts = [_windows(sound) for sound in sounds]
        rows = self._network.rows(np.concatenate(parts))
        ends = np.cumsum([len(part) for part in parts])[:-1]
        means = np.stack([part.mean(axis=0) for part in np.split(rows, ends)])
        return means / np.linalg.norm(means, axis=1, keepdims=True)


def _windows(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    features = mel(sound)
    features = np.pad(features, ((0, max(0, FRAMES - len(features))), (0, 0)))
    starts = range(0, len(features) - FRAMES + 1, STEP_FRAMES)
    return np.stack([features[start : start + FRAMES] for start in starts])
