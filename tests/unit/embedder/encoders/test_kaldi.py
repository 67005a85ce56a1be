"""The features are Kaldi's."""

from __future__ import annotations

import numpy as np
import pytest

from sonicgen.embedder.encoders.kaldi import fbank

# Of kaldi-native-fbank 1.22 for the sound below, without dither, each band's mean taken off: frame, band, value.
KALDI = [(0, 0, 7.867), (0, 40, 0.0), (10, 5, 7.323), (30, 12, -3.3696), (50, 79, 0.0), (97, 20, 3.8004), (70, 60, 0.0)]


def test_they_are_those_of_kaldi() -> None:
    time = np.arange(16_000) / 16_000
    sound = 0.3 * np.sin(2 * np.pi * 300 * time**1.5) + 0.01 * np.sin(2 * np.pi * 3_000 * time)
    features = fbank(sound.astype(np.float32)[None])[0]
    assert features.shape == (98, 80)
    for frame, band, value in KALDI:
        assert features[frame, band] == pytest.approx(value, abs=0.003)


def test_pieces_of_a_call_do_not_touch_each_other() -> None:
    random = np.random.default_rng(1)
    waves = 0.1 * random.standard_normal((3, 24_000)).astype(np.float32)
    together = fbank(waves)
    for wave, features in zip(waves, together, strict=True):
        np.testing.assert_allclose(fbank(wave[None])[0], features, atol=1e-5)
