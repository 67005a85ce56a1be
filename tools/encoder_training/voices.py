"""Many voices out of few: each reader again at other pitches and with a vocal tract of another length."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.fft
import scipy.signal
from numpy.typing import NDArray

from sonicgen.sound.decode import Decoder
from sonicgen.voices.samples import SAMPLE_RATE_HZ

Sound = NDArray[np.float32]

SET = "libri_tc100"  # no other set is ever opened: the readers of the others test the model
HELD_OUT = 31  # readers for validation and calibration
# (speed, formants): speed moves pitch, formants and pace together, formants alone the length of the vocal tract.
VARIANTS = (
    (1.0, 1.0),
    (0.9, 1.0),
    (1.1, 1.0),
    (0.8, 1.0),
    (1.22, 1.0),
    (1.0, 0.9),
    (1.0, 1.11),
    (0.88, 1.12),
    (1.12, 0.89),
    (0.8, 1.16),
    (1.24, 0.88),
    (0.94, 0.93),
    (1.06, 1.07),
)
JITTER = 0.02  # every reader's variants lie a little elsewhere
FFT, STEP, CEPSTRA = 512, 128, 30
MOST_GAIN = 2.3  # natural logarithm: 20 dB


@dataclass(frozen=True, slots=True)
class Voice:
    """One reader as one variant."""

    reader: str
    variant: int
    sound: Sound


def readers(manifest: Path) -> tuple[dict[str, Sound], dict[str, Sound]]:
    """Return the sound of each reader to train on, and of each held out, always the same ones."""
    with manifest.open() as file:
        rows = [row for row in csv.DictReader(file) if row["set"] == SET]
    sounds = {row["speaker"]: _read(manifest.parent / row["path"]) for row in rows}
    names = sorted(sounds)
    held = set(np.random.default_rng(6).permutation(names)[:HELD_OUT].tolist())
    return {name: sounds[name] for name in names if name not in held}, {name: sounds[name] for name in sorted(held)}


def vary(sounds: dict[str, Sound]) -> list[Voice]:
    """Return every reader in every variant."""
    voices = []
    for reader, sound in sounds.items():
        random = np.random.default_rng([7, int(reader)])
        for variant, (speed, formants) in enumerate(VARIANTS):
            moved = sound
            if variant:
                speed, formants = np.array((speed, formants)) * np.exp(random.uniform(-JITTER, JITTER, 2))
                moved = move_formants(_faster(sound, speed), formants) if variant > 4 else _faster(sound, speed)
            voices.append(Voice(reader, variant, moved))
    return voices


def move_formants(sound: Sound, factor: float) -> Sound:
    """Return the sound with the envelope of its spectrum stretched by a factor; its pitch stays."""
    _, _, spectrum = scipy.signal.stft(sound, nperseg=FFT, noverlap=FFT - STEP)
    level = np.log(np.abs(spectrum) + 1e-5)
    cepstrum = scipy.fft.dct(level, axis=0, norm="ortho")
    cepstrum[CEPSTRA:] = 0
    envelope = scipy.fft.idct(cepstrum, axis=0, norm="ortho")
    place = np.minimum(np.arange(len(envelope)) / factor, len(envelope) - 1)
    low = place.astype(int)
    share = (place - low)[:, None]
    stretched = envelope[low] * (1 - share) + envelope[np.minimum(low + 1, len(envelope) - 1)] * share
    gain = np.exp(np.clip(stretched - envelope, -MOST_GAIN, MOST_GAIN))
    _, moved = scipy.signal.istft(spectrum * gain, nperseg=FFT, noverlap=FFT - STEP)
    return np.asarray(moved[: len(sound)], np.float32)


def _faster(sound: Sound, factor: float) -> Sound:
    if factor == 1:
        return sound
    places = np.arange(0, len(sound) - 1, factor)
    if factor > 1:  # nothing above the new half rate may remain
        sound = scipy.signal.sosfilt(scipy.signal.butter(8, 0.95 / factor, output="sos"), sound)
    fine = scipy.signal.resample_poly(sound, 4, 1)
    return np.asarray(np.interp(places * 4, np.arange(len(fine)), fine), np.float32)


def _read(path: Path) -> Sound:
    return np.concatenate(list(Decoder(path, SAMPLE_RATE_HZ))).astype(np.float32)
