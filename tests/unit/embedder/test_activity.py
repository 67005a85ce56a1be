"""Where somebody speaks, as the network in the package hears it."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sonicgen.embedder import activity
from sonicgen.embedder.diarizers import OwnDiarizer
from sonicgen.embedder.encoders.ecapa import probe
from sonicgen.embedder.encoders.onnx import ecapa_small
from sonicgen.embedder.loading import make_loader
from sonicgen.settings import read_settings
from sonicgen.voices.activity import Stretch, leave_out_music
from sonicgen.voices.activity import find_speech as find_by_energy
from sonicgen.voices.samples import SAMPLE_RATE_HZ

Sound = NDArray[np.float32]
CARD = Path(__file__).parents[3] / "docs" / "models" / "silero-vad.md"


def heard(found: list[Stretch], start: float = 0.0, end: float = 1e9) -> float:
    return sum(max(0.0, min(each.end_seconds, end) - max(each.start_seconds, start)) for each in found)


def hiss(seconds: float, level: float) -> Sound:
    noise = np.random.default_rng(3).standard_normal(int(seconds * SAMPLE_RATE_HZ))
    return np.asarray(level * noise, np.float32)


def trills(seconds: float) -> Sound:
    """Return whistling like a bird's, in syllables: there is a pitch that moves, and nobody speaks."""
    time = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    gate = (np.sin(2 * np.pi * 4 * time) > 0) & (np.sin(2 * np.pi * 0.5 * time) > 0)
    phase = 2 * np.pi * np.cumsum(2_800 + 600 * np.sin(2 * np.pi * 9 * time)) / SAMPLE_RATE_HZ
    return np.asarray(0.1 * gate * np.sin(phase), np.float32)


@pytest.fixture(scope="module")
def talk() -> Sound:
    """A voice of the conversation in the package, 6 s."""
    return np.asarray(probe(6.0, 1)[0], np.float32)


def test_the_weights_are_those_of_the_card() -> None:
    weights = activity.find_weights()
    assert weights is not None, "make installs it: requirements/weights.txt"
    assert hashlib.sha256(weights.read_bytes()).hexdigest() in CARD.read_text()


def test_without_the_network_energy_tells(talk: Sound, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "find_weights", lambda: None)
    assert activity.find_speech(talk) == find_by_energy(talk)
    assert OwnDiarizer(ecapa_small()).name == "own-ecapa-small-energy"
    assert any("silero-vad" in note for note in make_loader(read_settings()).notes)


@pytest.mark.parametrize("noise", [1e-5, 1e-3])
def test_speech_is_found_and_what_is_around_is_not(talk: Sound, noise: float) -> None:
    silence = np.zeros(4 * SAMPLE_RATE_HZ, np.float32)
    sound = np.concatenate((silence, talk, silence))
    found = activity.find_speech(sound + hiss(len(sound) / SAMPLE_RATE_HZ, noise))
    assert heard(found, 4, 10) > 0.7 * heard(find_by_energy(sound), 4, 10)
    assert heard(found, 0, 3.8) + heard(found, 10.3, 14) == 0
    assert all(one.end_seconds < other.start_seconds for one, other in itertools.pairwise(found))


@pytest.mark.parametrize(
    "sound",
    [np.zeros(0, np.float32), np.zeros(100, np.float32), np.zeros(160_000, np.float32), hiss(10, 0.1), trills(20)],
    ids=["empty", "tiny", "zeros", "noise", "trills"],
)
def test_what_is_no_speech_is_left_alone(sound: Sound) -> None:
    assert heard(activity.find_speech(sound)) == 0


def test_a_block_hears_on_where_the_last_one_ended(talk: Sound, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = activity.probabilities(talk)
    monkeypatch.setattr(activity, "BLOCK_FRAMES", 10)
    np.testing.assert_allclose(activity.probabilities(talk), whole, atol=1e-4)
    assert len(whole) == -(-len(talk) // activity.FRAME)


def test_stored_and_floating_samples_give_the_same(talk: Sound) -> None:
    stored = np.round(talk * 32_767).astype(np.int16)
    np.testing.assert_allclose(activity.probabilities(stored), activity.probabilities(talk), atol=0.02)


def test_music_is_cut_out_of_what_the_network_took(talk: Sound) -> None:
    """Half of a trumpet is speech to the network; held notes stand in for it here."""
    time = np.arange(8 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    held = sum(np.sin(2 * np.pi * 330 * part * time) / part for part in (1, 2, 3, 4))
    sound = np.concatenate((talk, np.asarray(0.1 * held, np.float32)))
    kept = leave_out_music(sound, [Stretch(0.0, 14.0)], activity.LEAST_SPEECH_SCORE)
    assert heard(kept, 0, 5) > 4.5
    assert heard(kept, 8, 14) == 0
    assert leave_out_music(talk, [Stretch(0.5, 3.0)], activity.LEAST_SPEECH_SCORE) == [Stretch(0.5, 3.0)]
