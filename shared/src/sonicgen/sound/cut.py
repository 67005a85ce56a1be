"""Stretches of a recording, one after the other in a file of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from numpy.typing import NDArray

from sonicgen.sound.decode import Decoder

# What recognisers of speech work on; more than this carries nothing that they hear.
SPEECH_RATE_HZ = 16_000
# Below this peak level a stretch holds no speech: the quietest usable recordings of voices peak near -50 dBFS, an idle
# microphone near -70.
SILENT_PEAK = 10 ** (-60 / 20)


def write_stretches(
    source: str | Path | BinaryIO, stretches: Sequence[tuple[float, float]], path: Path, *, gap_seconds: float = 0.0
) -> list[float]:
    """Write the stretches (start, end in seconds, in order) as mono FLAC at 16 kHz; return each one's peak level.

    Silence of `gap_seconds` lies between them. A stretch that goes beyond the recording's end is filled with silence,
    so that every one has its full length; the same input gives the same bytes. Raises MediaError.
    """
    writer = _Writer(path)
    try:
        peaks = _copy(Decoder(source, SPEECH_RATE_HZ), _bounds(stretches), round(gap_seconds * SPEECH_RATE_HZ), writer)
    finally:
        writer.close()
    return peaks


def write_flac(path: Path, samples: NDArray[np.float32]) -> None:
    """Write mono samples at 16 kHz as FLAC; the same samples give the same bytes."""
    writer = _Writer(path)
    try:
        writer.write(samples)
    finally:
        writer.close()


def _bounds(stretches: Sequence[tuple[float, float]]) -> list[tuple[int, int]]:
    return [(round(start * SPEECH_RATE_HZ), round(end * SPEECH_RATE_HZ)) for start, end in stretches]


def _copy(decoder: Decoder, bounds: list[tuple[int, int]], gap: int, writer: _Writer) -> list[float]:
    peaks = [0.0] * len(bounds)
    written = [0] * len(bounds)
    current, at = 0, 0
    for block in decoder:
        while current < len(bounds):
            start, end = bounds[current]
            piece = block[max(0, start - at) : max(0, end - at)]
            if len(piece):
                if not written[current] and current:
                    writer.silence(gap)
                writer.write(piece)
                written[current] += len(piece)
                peaks[current] = max(peaks[current], float(np.abs(piece).max()))
            if end > at + len(block):
                break
            current += 1
        at += len(block)
        if current == len(bounds):
            break
    for index in range(current, len(bounds)):
        start, end = bounds[index]
        writer.silence((gap if index and not written[index] else 0) + end - start - written[index])
    return peaks


class _Writer:
    """A FLAC file that grows block by block."""

    def __init__(self, path: Path) -> None:
        self._container = av.open(str(path), "w", format="flac")
        self._stream = self._container.add_stream("flac", rate=SPEECH_RATE_HZ, layout="mono")
        self._stream.codec_context.format = "s16"
        self._at = 0

    def write(self, samples: NDArray[np.float32]) -> None:
        whole = np.clip(np.round(samples * 32768.0), -32768, 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(whole[np.newaxis, :], format="s16", layout="mono")
        frame.sample_rate = SPEECH_RATE_HZ
        frame.pts = self._at
        self._at += len(whole)
        self._container.mux(self._stream.encode(frame))

    def silence(self, samples: int) -> None:
        while samples > 0:
            block = min(samples, 1 << 16)
            self.write(np.zeros(block, np.float32))
            samples -= block

    def close(self) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()
