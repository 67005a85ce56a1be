"""Sound files made on the spot."""

from __future__ import annotations

import io
import wave
from functools import cache

import numpy as np
from numpy.typing import NDArray

from sonicgen.voices.samples import SAMPLE_RATE_HZ
from tests.unit.voices.signals import HIGH, LOW, Voice, speech

Sound = NDArray[np.float32]


def wav(sound: Sound, *, rate_hz: int = SAMPLE_RATE_HZ, channels: int = 1) -> bytes:
    """Return a sound as a WAV file, the same in every channel."""
    samples = np.repeat((np.clip(sound, -1, 1) * 32_767).astype("<i2"), channels)
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.tobytes())
    return out.getvalue()


@cache
def spoken(voice: Voice = LOW, seconds: float = 6.0, seed: int = 1) -> Sound:
    """Return a voice between two short silences with a little hiss."""
    silence = np.zeros(SAMPLE_RATE_HZ // 2, np.float32)
    sound = np.concatenate([silence, speech(voice, seconds, seed), silence])
    hiss = np.random.default_rng(seed).standard_normal(len(sound)).astype(np.float32)
    return np.asarray(sound + 0.0005 * hiss, np.float32)


def dialogue() -> Sound:
    """Return two voices in turn, six seconds each."""
    return np.concatenate([spoken(voice, 6.0, seed) for seed, voice in enumerate((LOW, HIGH, LOW, HIGH))])
