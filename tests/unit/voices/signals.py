"""Voices made on the spot: hiss, then pulses of a pitch through the resonances of a throat, in syllables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from sonicgen.voices.samples import SAMPLE_RATE_HZ

Sound = NDArray[np.float32]
# The first three resonances of five vowels of one speaker, in Hz.
_VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410))


@dataclass(frozen=True)
class Voice:
    """How a made voice sounds: its pitch and how short its throat is."""

    pitch_hz: float
    throat: float


LOW = Voice(105.0, 1.0)
HIGH = Voice(215.0, 1.19)
MIDDLE = Voice(150.0, 0.9)


def speech(voice: Voice, seconds: float, seed: int) -> Sound:
    """Return syllables of one voice, with short pauses between words, at about -20 dBFS."""
    random = np.random.default_rng(seed)
    count = int(seconds * SAMPLE_RATE_HZ)
    out = np.zeros(count + SAMPLE_RATE_HZ)
    place = 0
    while place < count:
        length = int(random.uniform(0.12, 0.3) * SAMPLE_RATE_HZ)
        out[place : place + length] += _syllable(voice, length, random)[: len(out) - place]
        place += length + int((random.random() < 0.3) * random.uniform(0.05, 0.2) * SAMPLE_RATE_HZ)
    sound = out[:count]
    level = np.sqrt((sound**2).mean()) + 1e-9
    return np.asarray(0.1 * sound / level, np.float32)


def _syllable(voice: Voice, length: int, random: np.random.Generator) -> NDArray[np.float64]:
    first, last = random.uniform(0.85, 1.2, 2)
    glide = np.linspace(first, last, length)
    phase = np.cumsum(voice.pitch_hz * glide) / SAMPLE_RATE_HZ
    pulses = np.diff(np.floor(phase), prepend=0.0) + 0.02 * random.standard_normal(length)
    sound = scipy.signal.lfilter([1.0], [1.0, -0.9], pulses)
    for resonance in _VOWELS[random.integers(len(_VOWELS))]:
        angle = 2 * np.pi * min(resonance * voice.throat, 7_500) / SAMPLE_RATE_HZ
        radius = np.exp(-np.pi * 90 / SAMPLE_RATE_HZ)
        sound = scipy.signal.lfilter([1.0], [1.0, -2 * radius * np.cos(angle), radius**2], sound)
    sound /= np.sqrt((sound**2).mean()) + 1e-9
    hiss = int(random.uniform(0.2, 0.4) * length)  # a consonant
    noise = np.diff(random.standard_normal(hiss + 2), 2)
    sound[:hiss] = 0.05 * sound[:hiss] + 0.12 * noise
    rise = np.minimum(1.0, np.minimum(np.arange(length), np.arange(length)[::-1]) / (0.02 * SAMPLE_RATE_HZ))
    shaped = np.asarray(sound * rise, np.float64)
    return np.asarray(shaped / (np.sqrt((shaped**2).mean()) + 1e-9))


def silence(seconds: float, seed: int = 0, level: float = 1e-4) -> Sound:
    """Return a quiet room."""
    random = np.random.default_rng(seed)
    return (level * random.standard_normal(int(seconds * SAMPLE_RATE_HZ))).astype(np.float32)
