"""GE2E was trained on librosa's mel spectra; ours must be the same."""

from __future__ import annotations

import librosa
import numpy as np

from sonicgen.embedder.encoders.ge2e import BANDS, HOP, WINDOW, mel


def test_the_mel_spectrum_is_librosas() -> None:
    rng = np.random.default_rng(1)
    sound = (0.3 * rng.standard_normal(16_000)).astype(np.float32)
    expected = librosa.feature.melspectrogram(
        y=sound, sr=16_000, n_fft=WINDOW, hop_length=HOP, n_mels=BANDS, center=True, pad_mode="constant"
    ).T
    ours = mel(sound)
    assert ours.shape == expected.shape
    # The sound is louder than the level that quiet sound is raised to, so both see the same samples.
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-5)
