"""Sound of our own for the demonstration: speech from espeak-ng where it is installed, synthesised music otherwise.

Everything derives from a seed, so that a second demonstration makes the very same files.
"""

from __future__ import annotations

import math
import shutil
import subprocess
import wave
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from scipy import signal

Sound = NDArray[np.float32]
RATE_HZ = 44_100
# A minute of two voices, made by tools/make_demo_speech.py: speech also for those who have no espeak-ng.
CONVERSATION_FILE = Path(__file__).with_name("conversation.opus")
CONVERSATION = "spoken conversation"
# One of the two voices, alone, in another recording.
LETTER_FILE = Path(__file__).with_name("letter.opus")

SPEECHES = {
    "lighthouse": (
        "en-gb",
        150,
        "The keeper of the lighthouse wrote every evening what the sea had brought. On Monday it was a crate "
        "of oranges, swollen and bitter. On Tuesday it brought nothing but weather. He counted eleven ships "
        "before the fog came in, and after that he counted only their horns. By Thursday the lamp needed oil, "
        "the stairs needed a new rail, and the keeper needed somebody to talk to. So he read aloud from the "
        "tide tables, slowly, as if they were letters.",
    ),
    "kitchen": (
        "en-us",
        165,
        "Welcome back to the kitchen. Today we are going to ruin an omelette together, and then we are going "
        "to understand why. Start with three eggs, a pan that is far too hot, and more confidence than the "
        "situation deserves. Listen to that sizzle: it is the sound of proteins tightening faster than you "
        "can stir. Turn the flame down, wait, add butter, and try again with patience. The second one is for "
        "you. The first one is for science.",
    ),
    "market": (
        "en-gb-scotland",
        175,
        "Here are the closing prices from the market in the square. Turnips were steady at four. Leeks rose "
        "on rumours of frost. A single enormous pumpkin changed hands three times before noon and finished "
        "lower. Analysts blame the wheel of the barrow. In the afternoon session, trading in honey was "
        "suspended after bees entered the building and could not be persuaded to leave. We return tomorrow at "
        "six with cabbages, and an apology to the bees.",
    ),
}


@dataclass(frozen=True)
class Piece:
    """One recording of the demonstration."""

    name: str
    sound: Sound
    suffix: str


def make_pieces(folder: Path) -> list[Piece]:
    """Return a few minutes of varied sound."""
    pieces = [
        Piece("synthetic waltz", make_music(1, seconds=60, beats_per_minute=168, metre=3), "mp3"),
        Piece("synthetic march", make_music(2, seconds=55, beats_per_minute=112, metre=4), "opus"),
        Piece("synthetic nocturne", make_music(3, seconds=70, beats_per_minute=66, metre=4), "m4a"),
    ]
    pieces.append(Piece(CONVERSATION, read_sound(CONVERSATION_FILE), "mp3"))
    if shutil.which("espeak-ng"):
        pieces += [Piece(f"spoken {name}", speak(name, folder), "mp3") for name in SPEECHES]
    else:
        pieces += [Piece("synthetic tarantella", make_music(4, seconds=50, beats_per_minute=190, metre=6), "flac")]
    return pieces


def speak(name: str, folder: Path) -> Sound:
    """Return one of the texts spoken by espeak-ng."""
    voice, words_per_minute, text = SPEECHES[name]
    return say(text, folder, voice=voice, words_per_minute=words_per_minute)


def say(text: str, folder: Path, *, voice: str, words_per_minute: int, pitch: int = 50) -> Sound:
    """Return a text spoken by espeak-ng."""
    path = folder / "said.wav"
    command = ["espeak-ng", "-v", voice, "-p", str(pitch), "-s", str(words_per_minute), "-w", str(path), text]
    subprocess.run(command, check=True, capture_output=True)
    with wave.open(str(path)) as file:
        rate_hz = file.getframerate()
        sound = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32_768
    path.unlink()
    ratio = Fraction(RATE_HZ, rate_hz)
    return np.asarray(signal.resample_poly(sound, ratio.numerator, ratio.denominator), np.float32)


def make_music(seed: int, *, seconds: float, beats_per_minute: float, metre: int) -> Sound:
    """Return a small piece: chords, a melody that walks through their scale, and a soft drum."""
    rng = np.random.default_rng(seed)
    sound = np.zeros(int(seconds * RATE_HZ) + RATE_HZ, np.float64)
    beat_seconds = 60 / beats_per_minute
    scale = np.array([0, 2, 3, 5, 7, 8, 10]) if seed % 2 else np.array([0, 2, 4, 5, 7, 9, 11])
    tonic = 45 + int(rng.integers(0, 12))
    degree = 7
    for beat in range(int(seconds / beat_seconds) + 1):
        at = beat * beat_seconds + rng.normal(0, 0.006)
        if beat % metre == 0:
            root = int(rng.choice([0, 3, 4, 5]))
            for step in (0, 2, 4):
                _add(sound, at, _note(_hertz(tonic, scale, root + step), beat_seconds * metre, rng, 0.10))
            _add(sound, at, _drum(rng))
        for half in range(int(rng.integers(1, 4))):
            degree = int(np.clip(degree + rng.integers(-3, 4), 3, 18))
            note = _note(_hertz(tonic + 12, scale, degree), beat_seconds * rng.uniform(0.4, 1.1), rng, 0.22)
            _add(sound, at + half * beat_seconds / 3, note)
    sound = sound[: int(seconds * RATE_HZ)]
    return np.asarray(0.8 * sound / np.abs(sound).max(), np.float32)


def _hertz(tonic: int, scale: NDArray[np.int_], degree: int) -> float:
    octave, step = divmod(degree, len(scale))
    return float(440.0 * 2 ** ((tonic + 12 * octave + scale[step] - 69) / 12))


def _note(hertz: float, seconds: float, rng: np.random.Generator, level: float) -> NDArray[np.float64]:
    time = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    tone = np.zeros(len(time))
    for harmonic in range(1, 7):
        if hertz * harmonic < RATE_HZ / 2:
            tone += rng.uniform(0.3, 1.0) / harmonic * np.sin(2 * math.pi * hertz * harmonic * time)
    return np.asarray(level * tone * np.exp(-3 * time / max(seconds, 0.1)) * np.minimum(1, time / 0.01))


def _drum(rng: np.random.Generator) -> NDArray[np.float64]:
    time = np.arange(int(0.12 * RATE_HZ)) / RATE_HZ
    return np.asarray(0.15 * rng.standard_normal(len(time)) * np.exp(-40 * time))


def _add(sound: NDArray[np.float64], at_seconds: float, note: NDArray[np.float64]) -> None:
    start = max(0, int(at_seconds * RATE_HZ))
    end = min(len(sound), start + len(note))
    if end > start:
        sound[start:end] += note[: end - start]


def disturb(sound: Sound, *, start_seconds: float, seconds: float, speed: float, noise: float, seed: int) -> Sound:
    """Cut a clip, play it faster and put noise over it; `noise` is the ratio of its level to the clip's."""
    start = int(start_seconds * RATE_HZ)
    clip = sound[start : start + int(seconds * RATE_HZ)]
    ratio = Fraction(1 / speed).limit_denominator(200)
    faster = signal.resample_poly(clip, ratio.numerator, ratio.denominator)
    level = float(np.sqrt(np.mean(faster**2))) * noise
    return np.asarray(faster + level * np.random.default_rng(seed).standard_normal(len(faster)), np.float32)


def read_sound(path: Path) -> Sound:
    """Return a file's first audio stream as mono samples at 44.1 kHz; damaged packets are left out."""
    blocks = [np.zeros(0, np.float32)]
    resampler = av.AudioResampler("flt", "mono", RATE_HZ)
    with av.open(str(path)) as container:
        for packet in container.demux(audio=0):
            with suppress(av.FFmpegError):
                for frame in packet.decode():
                    blocks += [piece.to_ndarray()[0] for piece in resampler.resample(frame)]
        blocks += [piece.to_ndarray()[0] for piece in resampler.resample(None)]
    return np.concatenate(blocks)


CODECS = {"mp3": "libmp3lame", "m4a": "aac", "flac": "flac", "opus": "libopus", "wav": "pcm_s16le"}


def write_sound(path: Path, sound: Sound, bit_rate: int | None = 128_000) -> None:
    """Encode a mono sound at 44.1 kHz by the file name's ending; the same sound gives the same bytes."""
    rate_hz = 48_000 if path.suffix == ".opus" else RATE_HZ
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(CODECS[path.suffix[1:]], rate=rate_hz, layout="mono")
        assert isinstance(stream, av.AudioStream)  # noqa: S101 (tells the type checker which of the streams it is)
        if bit_rate is not None and path.suffix not in (".flac", ".wav"):
            stream.bit_rate = bit_rate
        frame_samples = 8_192
        for start in range(0, len(sound), frame_samples):
            block = np.clip(sound[start : start + frame_samples], -1, 1)
            frame = av.AudioFrame.from_ndarray((block * 32_767).astype(np.int16)[None, :], format="s16", layout="mono")
            frame.sample_rate = RATE_HZ
            frame.pts = start
            frame.time_base = Fraction(1, RATE_HZ)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
