"""Our features are SpeechBrain's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sonicgen.embedder.encoders.fbank import BANDS, fbank, frame_count
from tests.unit.embedder.encoders.sounds import hiss, sweep


def test_features_are_those_of_speechbrain() -> None:
    """Kept from SpeechBrain 1.1.2: Fbank(n_mels=80), normalised by sentence; every 10th frame and 4th band."""
    with np.load(Path(__file__).with_name("speechbrain_fbank.npz")) as stored:
        expected = stored["features"]
    features = fbank(np.stack([sweep(1.0), hiss(1.0)]))
    assert features.shape == (2, frame_count(16_000), BANDS) == (2, 101, 80)
    assert np.abs(features[:, ::10, ::4] - expected).max() < 0.005


def test_level_and_neighbours_do_not_matter() -> None:
    quiet, loud = fbank(0.02 * sweep(0.5)[None]), fbank(sweep(0.5)[None])
    assert np.abs(quiet - loud).max() < 0.01
    together = fbank(np.stack([hiss(0.5), sweep(0.5)]))
    assert np.abs(together[1] - loud[0]).max() < 1e-4


@pytest.mark.parametrize("samples", [400, 8_000, 8_159, 8_160])
def test_number_of_frames(samples: int) -> None:
    assert fbank(np.ones((1, samples), np.float32)).shape[1] == frame_count(samples)


def test_silence_is_finite() -> None:
    assert np.isfinite(fbank(np.zeros((1, 8_000), np.float32))).all()
