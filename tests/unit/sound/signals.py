"""Sound made on the spot: the same for the same seed, and unlike for another."""

from __future__ import annotations

import io
import os
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from sonicgen.sound.fingerprint import Fingerprint, Fingerprinter
from sonicgen.sound.spectrum import SAMPLE_RATE_HZ

Samples = NDArray[np.float32]
ROOT = Path(__file__).parents[3]


def music(seconds: float, seed: int, rate: int = SAMPLE_RATE_HZ) -> Samples:
    """Return notes that never repeat: random pitches, starts and lengths, four harmonics, and drum-like noise."""
    random = np.random.default_rng(seed)
    out = np.zeros(int(seconds * rate) + rate)
    for start in np.cumsum(random.exponential(0.11, int(seconds / 0.11) + 1)):
        if start >= seconds:
            break
        length = random.uniform(0.1, 0.6)
        t = np.arange(int(length * rate)) / rate
        pitch = 160.0 * 2 ** random.uniform(0, 3.2)
        note = sum(np.sin(2 * np.pi * pitch * k * t + random.uniform(0, 6)) / k for k in range(1, 5))
        note = note * np.exp(-4 * t / length) * random.uniform(0.3, 1.0)
        if random.random() < 0.3:
            note = note + random.standard_normal(len(t)) * np.exp(-40 * t)
        place = int(start * rate)
        out[place : place + len(t)] += note[: len(out) - place]
    return (0.1 * out[: int(seconds * rate)]).astype(np.float32)


def noise(seconds: float, seed: int, level: float = 0.1) -> Samples:
    """Return white noise."""
    random = np.random.default_rng(seed)
    return (level * random.standard_normal(int(seconds * SAMPLE_RATE_HZ))).astype(np.float32)


def dithered(samples: NDArray[np.floating]) -> Samples:
    """Return the samples as a 16-bit file with triangular dither has them."""
    random = np.random.default_rng(16)
    dither = random.random(len(samples)) - random.random(len(samples))
    out: Samples = (np.round(samples * 32768 + dither) / 32768).astype(np.float32)
    return out


def at_speed(samples: Samples, speed: float) -> Samples:
    """Return the samples played `speed` times as fast, pitch and all (interpolated)."""
    places = np.arange(0, len(samples) - 1, speed)
    out: Samples = np.interp(places, np.arange(len(samples)), samples).astype(np.float32)
    return out


def fingerprint_of(samples: Samples) -> Fingerprint:
    """Return the fingerprint of samples at the analysis rate."""
    maker = Fingerprinter()
    maker.feed(samples)
    return maker.finish()


def encoded(samples: Samples, form: str, codec: str, rate: int, layout: str = "mono", bit_rate: int = 0) -> bytes:
    """Return the samples as a file; every channel carries the same, a step quieter each."""
    file = io.BytesIO()
    with av.open(file, "w", format=form) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, av.AudioStream)
        if bit_rate:
            stream.bit_rate = bit_rate
        channels = stream.codec_context.layout.nb_channels
        packed = np.stack([samples * 0.9**channel for channel in range(channels)], axis=1).astype(np.float32)
        resampler = av.AudioResampler(stream.codec_context.format, layout, rate)
        frame = av.AudioFrame.from_ndarray(packed.reshape(1, -1), format="flt", layout=layout)
        frame.sample_rate = rate
        fifo = av.AudioFifo()
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            part.pts = None
            fifo.write(part)
        size = stream.codec_context.frame_size or 1024
        while (piece := fifo.read(size, partial=True)) is not None:
            piece.pts = None
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return file.getvalue()


def shared_recordings() -> Path:
    """Return the folder of real recordings, or skip the test where there is none."""
    shared = Path(os.environ.get("SONICGEN_SHARED", ROOT.parent / "shared"))
    folder = shared / "data" / "recordings"
    if not (folder / "manifest.csv").is_file():
        pytest.skip(f"no recordings at {folder}; SONICGEN_SHARED names another folder")
    return folder
