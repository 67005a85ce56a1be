"""How good a recording sounds, from files of known history."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from sonicgen.domain.quality import Quality
from sonicgen.local.demo_sounds import RATE_HZ, Sound, write_sound
from sonicgen.sound.decode import Decoder

SECONDS = 24


@pytest.fixture(scope="module")
def speechlike() -> Sound:
    """Noise with the slope of speech that comes and goes four times a second, over a floor of -60 dB."""
    rng = np.random.default_rng(3)
    noise = np.cumsum(rng.standard_normal(SECONDS * RATE_HZ))
    sound = noise - sosfilt(butter(2, 60, output="sos", fs=RATE_HZ), noise)
    sound += 0.05 * np.abs(sound).max() * rng.standard_normal(len(sound))
    swell = np.clip(np.sin(2 * np.pi * 4 * np.arange(len(sound)) / RATE_HZ), 0, 1) ** 2
    return np.asarray(0.8 * (sound * swell + 0.001 * sound) / np.abs(sound).max(), np.float32)


def heard(path: Path) -> Quality:
    decoder = Decoder(path)
    for _ in decoder:
        pass
    assert decoder.quality is not None
    return decoder.quality


def below(sound: Sound, hertz: float) -> Sound:
    return np.asarray(sosfilt(butter(16, hertz, output="sos", fs=RATE_HZ), sound), np.float32)


@pytest.mark.parametrize("hertz", [3_400, 8_000, 15_000])
def test_the_spectrum_ends_where_it_was_cut(speechlike: Sound, tmp_path: Path, hertz: int) -> None:
    write_sound(tmp_path / "cut.flac", below(speechlike, hertz))
    assert heard(tmp_path / "cut.flac").bandwidth_hz == pytest.approx(hertz * 1.25, rel=0.25)


def test_what_a_codec_took_stays_away(speechlike: Sound, tmp_path: Path) -> None:
    from sonicgen.local.demo_sounds import read_sound

    write_sound(tmp_path / "poor.mp3", speechlike, 40_000)
    write_sound(tmp_path / "dressed up.flac", read_sound(tmp_path / "poor.mp3"))
    write_sound(tmp_path / "good.mp3", speechlike, 256_000)
    dressed, good = heard(tmp_path / "dressed up.flac"), heard(tmp_path / "good.mp3")
    assert dressed.bandwidth_hz < 0.8 * good.bandwidth_hz
    assert (dressed.is_lossless, good.is_lossless) == (True, False)


def test_an_intro_does_not_speak_for_the_whole(speechlike: Sound, tmp_path: Path) -> None:
    dull = below(speechlike, 5_000)
    dull[: 4 * RATE_HZ] = speechlike[: 4 * RATE_HZ]
    write_sound(tmp_path / "dull.flac", below(speechlike, 5_000))
    write_sound(tmp_path / "bright intro.flac", dull)
    bright = heard(tmp_path / "bright intro.flac").bandwidth_hz
    assert bright == pytest.approx(heard(tmp_path / "dull.flac").bandwidth_hz, rel=0.03)


def test_noise_fills_the_pauses(speechlike: Sound, tmp_path: Path) -> None:
    noise = 0.02 * np.random.default_rng(5).standard_normal(len(speechlike)).astype(np.float32)
    write_sound(tmp_path / "clean.wav", speechlike)
    write_sound(tmp_path / "noisy.wav", speechlike + noise)
    assert heard(tmp_path / "clean.wav").noise_db < heard(tmp_path / "noisy.wav").noise_db - 6


def tones(seconds: int, seed: int) -> Sound:
    """Chords that never pause, as organs play them."""
    rng = np.random.default_rng(seed)
    times = np.arange(seconds * RATE_HZ) / RATE_HZ
    chords = [sum(np.sin(2 * np.pi * hertz * times) for hertz in rng.uniform(150, 3_000, 6)) for _ in range(4)]
    which = (times * 2).astype(int) % len(chords)
    return np.asarray(0.05 * np.choose(which, chords), np.float32)


def test_noise_between_the_notes_of_what_never_pauses(tmp_path: Path) -> None:
    sound = tones(SECONDS, seed=6)
    noise = 0.01 * np.random.default_rng(5).standard_normal(len(sound)).astype(np.float32)
    write_sound(tmp_path / "clean.mp3", sound, 192_000)
    write_sound(tmp_path / "noisy.mp3", sound + noise, 192_000)
    clean, noisy = heard(tmp_path / "clean.mp3"), heard(tmp_path / "noisy.mp3")
    assert abs(clean.noise_db - noisy.noise_db) <= 2
    assert clean.floor_db is not None
    assert noisy.floor_db is not None
    assert clean.floor_db < noisy.floor_db - 10


def test_a_codec_with_bits_enough_leaves_the_floor_where_it_was(speechlike: Sound, tmp_path: Path) -> None:
    write_sound(tmp_path / "as it is.wav", speechlike)
    write_sound(tmp_path / "coded.mp3", speechlike, 128_000)
    assert heard(tmp_path / "coded.mp3").floor_db == pytest.approx(heard(tmp_path / "as it is.wav").floor_db, abs=2)


def test_the_bit_rate_is_that_of_the_sound(speechlike: Sound, tmp_path: Path) -> None:
    write_sound(tmp_path / "sound.mp3", speechlike, 64_000)
    assert heard(tmp_path / "sound.mp3").bit_rate == pytest.approx(64_000, rel=0.05)


def test_clipping_is_counted(speechlike: Sound, tmp_path: Path) -> None:
    write_sound(tmp_path / "clean.wav", speechlike)
    write_sound(tmp_path / "loud.wav", 8 * speechlike)
    assert heard(tmp_path / "clean.wav").clipped_share == 0.0
    assert heard(tmp_path / "loud.wav").clipped_share > 0.005


def test_silence_has_no_quality(tmp_path: Path) -> None:
    write_sound(tmp_path / "silence.wav", np.zeros(5 * RATE_HZ, np.float32))
    decoder = Decoder(tmp_path / "silence.wav")
    assert sum(len(block) for block in decoder) > 0
    assert decoder.quality is None


def test_the_stored_form_comes_back() -> None:
    quality = Quality(16_000, 0.001, -31.0, 48_000, "opus", is_lossless=False, floor_db=-28.0, bit_rate=64_000)
    assert Quality.from_json(quality.to_json() | {"later": 1}) == quality
    earlier = {name: value for name, value in quality.to_json().items() if name not in {"floor_db", "bit_rate"}}
    assert Quality.from_json(earlier) == replace(quality, floor_db=None, bit_rate=None)
