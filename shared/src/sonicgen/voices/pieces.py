"""Speech of any length to pieces that an encoder looks at, and their vectors to one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from sonicgen.voices.encoder import PIECE_SECONDS, Encoder
from sonicgen.voices.samples import SAMPLE_RATE_HZ

Wave = NDArray[np.float32]

PIECE_SAMPLES = int(PIECE_SECONDS * SAMPLE_RATE_HZ)


def pieces(wave: Wave) -> Iterator[Wave]:
    """Yield a wave's pieces: as many equal ones as fit, the last ending where the wave ends.

    Up to one and a half pieces stay whole: no encoder needs padding, and nothing is left out.
    """
    if len(wave) <= PIECE_SAMPLES * 3 // 2:
        yield wave
        return
    count = -(-len(wave) // PIECE_SAMPLES)
    for start in np.linspace(0, len(wave) - PIECE_SAMPLES, count).round().astype(int):
        yield wave[start : start + PIECE_SAMPLES]


def embed_whole(encoder: Encoder, waves: Sequence[Wave]) -> NDArray[np.float32]:
    """Return a unit vector for each utterance of any length: the mean of the unit vectors of its pieces."""
    parts = [list(pieces(wave)) for wave in waves]
    rows = encoder.embed(piece for part in parts for piece in part)
    ends = np.cumsum([len(part) for part in parts])
    means = [rows[end - len(part) : end].mean(axis=0) for part, end in zip(parts, ends, strict=True)]
    table = np.array(means, np.float32).reshape(-1, encoder.model.dimension)
    return np.asarray(table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), np.float32(1e-12)))
