"""What happens to a voice between mouth and file: rooms, noise, other voices, telephones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from sonicgen.voices.samples import SAMPLE_RATE_HZ

Sound = NDArray[np.float32]

ROOMS = 256
ROOM_SAMPLES = 6_000


class Disturber:
    """Disturbs crops of speech, each in its own way; a generator with the same seed makes the same ones."""

    def __init__(self, others: Sequence[Sound]) -> None:
        self._others = others
        random = np.random.default_rng(8)
        self._rooms = [_room(random) for _ in range(ROOMS)]

    def disturb(self, crop: Sound, random: np.random.Generator) -> Sound:
        """Return the crop as another recording might hold it."""
        out = crop / (np.sqrt(np.mean(np.square(crop))) + 1e-6)
        if random.random() < 0.35:
            room = self._rooms[random.integers(ROOMS)]
            out = scipy.signal.oaconvolve(out, room)[: len(out)]
        if random.random() < 0.2:
            out = _band(out, random)
        kind = random.random()
        if kind < 0.4:
            out = _with(out, _noise(len(out), random), random.uniform(5, 30))
        elif kind < 0.55:
            out = _with(out, self._babble(len(out), random), random.uniform(5, 22))
        if random.random() < 0.08:
            limit = random.uniform(1.0, 3.0)
            out = np.clip(out, -limit, limit)
        return np.asarray(out, np.float32)

    def _babble(self, size: int, random: np.random.Generator) -> Sound:
        out = np.zeros(size, np.float32)
        for _ in range(random.choice((1, 1, 3, 5))):
            other = self._others[random.integers(len(self._others))]
            start = random.integers(max(1, len(other) - size))
            part = other[start : start + size]
            out[: len(part)] += part / (np.sqrt(np.mean(np.square(part))) + 1e-6)
        return out


def _room(random: np.random.Generator) -> Sound:
    """Return a made impulse response: the direct sound, a few early echoes, a tail that decays and loses its highs."""
    time = np.arange(ROOM_SAMPLES) / SAMPLE_RATE_HZ
    tail = random.standard_normal(ROOM_SAMPLES) * np.exp(-time / random.uniform(0.02, 0.12))
    tail = scipy.signal.lfilter([1 - (keep := random.uniform(0.0, 0.7))], [1, -keep], tail)
    tail *= random.uniform(0.15, 0.8) / np.sqrt(np.square(tail).sum())
    for _ in range(random.integers(0, 6)):
        tail[random.integers(20, 800)] += random.uniform(-0.4, 0.4)
    tail[0] = 1
    return tail.astype(np.float32)


def _band(sound: Sound, random: np.random.Generator) -> Sound:
    """Return the sound through a telephone or what an encoder leaves of it."""
    low, high = random.choice((0.0, 80.0, 300.0)), random.choice((3_400.0, 4_000.0, 5_500.0, 7_000.0))
    if low:
        out = scipy.signal.sosfilt(_filter(low, high), sound)
    else:
        out = scipy.signal.sosfilt(scipy.signal.butter(4, high, fs=SAMPLE_RATE_HZ, output="sos"), sound)
    return np.asarray(out, np.float32)


def _filter(low: float, high: float) -> NDArray[np.float64]:
    sos: NDArray[np.float64] = scipy.signal.butter(3, (low, high), "bandpass", fs=SAMPLE_RATE_HZ, output="sos")
    return sos


def _noise(size: int, random: np.random.Generator) -> Sound:
    """Return white to brown noise, at times with hum."""
    white = random.standard_normal(size).astype(np.float32)
    keep = random.choice((0.0, 0.0, 0.7, 0.95, 0.99))
    noise = scipy.signal.lfilter([1.0], [1, -keep], white) if keep else white
    if random.random() < 0.2:
        hz = random.choice((50.0, 60.0)) * random.integers(1, 4)
        noise = noise + noise.std() * np.sin(2 * np.pi * hz * np.arange(size) / SAMPLE_RATE_HZ)
    return np.asarray(noise, np.float32)


def _with(sound: Sound, noise: Sound, below_db: float) -> Sound:
    level = np.sqrt(np.mean(np.square(sound)) / (np.mean(np.square(noise)) + 1e-12))
    return np.asarray(sound + noise * level * 10 ** (-below_db / 20), np.float32)
