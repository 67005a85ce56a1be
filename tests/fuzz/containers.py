"""Sound in every container that the decoder takes, and the ways in which a file may lie about itself."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np

from tests.acceptance.conftest import sound

RATE_HZ = 48_000
# Container: file ending, codec.
CONTAINERS = {
    "wav": "pcm_s16le", "flac": "flac", "mp3": "mp3", "m4a": "aac", "ogg": "libopus", "webm": "libopus",
    "mkv": "aac", "aiff": "pcm_s16be", "au": "pcm_s16be", "caf": "pcm_s16le", "avi": "pcm_s16le", "ts": "aac",
    "adts": "aac", "mov": "aac", "wv": "wavpack",
}  # fmt: skip
_FORMATS = {"m4a": "mp4", "mkv": "matroska", "ts": "mpegts"}


def write_container(path: Path, kind: str, seconds: float = 3.0) -> bytes:
    """Write sound in a container; return its bytes."""
    original = sound(77, seconds)
    times = np.arange(0, seconds, 1 / RATE_HZ) * 44_100
    samples = np.interp(times, np.arange(len(original)), original).astype(np.float32)
    with av.open(str(path), "w", format=_FORMATS.get(kind, kind)) as container:
        stream: Any = container.add_stream(CONTAINERS[kind], rate=RATE_HZ, layout="mono")
        resampler = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=RATE_HZ)
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = RATE_HZ
        for made in resampler.resample(frame):
            container.mux(stream.encode(made))
        container.mux(stream.encode(None))
    return path.read_bytes()


def damage(data: bytes, chance: random.Random) -> bytes:
    """Return bytes that were damaged in one of the ways of disks, networks and enemies."""
    return chance.choice(_WAYS)(bytearray(data), chance)


def _flip(data: bytearray, chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 3, 20, 200))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def _flip_head(data: bytearray, chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 4, 16))):
        data[chance.randrange(min(256, len(data)))] = chance.randrange(256)
    return bytes(data)


def _cut(data: bytearray, chance: random.Random) -> bytes:
    return bytes(data[: chance.randrange(1, len(data))])


def _behead(data: bytearray, chance: random.Random) -> bytes:
    return bytes(data[chance.randrange(1, len(data)) :])


def _claim_much(data: bytearray, chance: random.Random) -> bytes:
    """Make a number of four bytes in the head as large as it gets."""
    at = chance.randrange(min(200, len(data) - 4))
    data[at : at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0"))
    return bytes(data)


def _stutter(data: bytearray, chance: random.Random) -> bytes:
    at, size = chance.randrange(len(data)), chance.randrange(1, 4_000)
    return bytes(data[:at] + data[at : at + size] * chance.randrange(2, 60) + data[at:])


def _blank(data: bytearray, chance: random.Random) -> bytes:
    at, size = chance.randrange(len(data)), chance.randrange(1, len(data))
    data[at : at + size] = bytes(len(data[at : at + size]))
    return bytes(data)


_WAYS: tuple[Callable[[bytearray, random.Random], bytes], ...] = (
    _flip, _flip_head, _flip_head, _cut, _behead, _claim_much, _claim_much, _stutter, _blank,
)  # fmt: skip


def wav_header(rate_hz: int, channels: int, bits: int, data_bytes: int, align: int | None = None) -> bytes:
    """Return the head of a wav file that says this, true or not."""
    align = channels * bits // 8 if align is None else align
    form = struct.pack("<HHIIHH", 1, channels, rate_hz, (rate_hz * align) % 2**32, align % 2**16, bits)
    return b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + b"WAVEfmt " + struct.pack("<I", 16) + form + (
        b"data" + struct.pack("<I", data_bytes)
    )  # fmt: skip


def _noise(size: int) -> bytes:
    return random.Random(3).randbytes(size)  # noqa: S311


def _id3_bomb() -> bytes:
    """Return an mp3 whose tag holds frames of text that are 100 MB each when they are unpacked."""
    packed = zlib.compress(bytes(100 << 20), 9)
    frames = b""
    for _ in range(8):
        size = len(packed) + 4
        frames += b"TXXX" + _sync_safe(size) + b"\x00\x09" + _sync_safe(len(packed) * 1000 % 2**28) + packed
    return b"ID3\x04\x00\x00" + _sync_safe(len(frames)) + frames + _noise(2_000)


def _sync_safe(number: int) -> bytes:
    return bytes((number >> shift) & 0x7F for shift in (21, 14, 7, 0))


def _packed_moov() -> bytes:
    """Return an mp4 whose index is zlib that unpacks to 200 MB."""
    packed = zlib.compress(bytes(200 << 20), 9)
    cmvd = struct.pack(">I", 12 + len(packed)) + b"cmvd" + struct.pack(">I", 200 << 20) + packed
    dcom = struct.pack(">I", 12) + b"dcom" + b"zlib"
    cmov = struct.pack(">I", 8 + len(dcom) + len(cmvd)) + b"cmov" + dcom + cmvd
    moov = struct.pack(">I", 8 + len(cmov)) + b"moov" + cmov
    return struct.pack(">I", 16) + b"ftypqt  " + struct.pack(">I", 0) + moov


def _nested_boxes(depth: int = 20_000) -> bytes:
    """Return an mp4 of boxes within boxes."""
    sizes = range(8 * depth, 0, -8)
    boxes = [struct.pack(">I", size) + (b"trak" if size % 16 else b"mdia") for size in sizes]
    return struct.pack(">I", 16) + b"ftypisom" + struct.pack(">I", 0) + boxes[0][:4] + b"moov" + b"".join(boxes[1:])


def _endless_list(lines: int) -> bytes:
    return b"#EXTM3U\n" + b"#EXTINF:10,\nlist.m3u8\n" * lines


LIES: dict[str, Callable[[], bytes]] = {
    "wav at 1 Hz": lambda: wav_header(1, 1, 16, 2_000_000) + _noise(2_000_000),
    "wav at 7 Hz of 8 bits": lambda: wav_header(7, 1, 8, 4_000_000) + _noise(4_000_000),
    "wav at 4,294,967,295 Hz": lambda: wav_header(2**32 - 1, 1, 16, 100_000) + _noise(100_000),
    "wav at 0 Hz": lambda: wav_header(0, 1, 16, 100_000) + _noise(100_000),
    "wav of 65,535 channels": lambda: wav_header(44_100, 65_535, 16, 400_000) + _noise(400_000),
    "wav of 0 channels": lambda: wav_header(44_100, 0, 16, 100_000) + _noise(100_000),
    "wav that aligns to nothing": lambda: wav_header(44_100, 1, 16, 100_000, align=0) + _noise(100_000),
    "wav that says it has 4 GB": lambda: wav_header(44_100, 2, 16, 2**32 - 1) + _noise(200_000),
    "mp3 with a tag of 268 MB that is not there": lambda: b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + _noise(5_000),
    "mp3 with packed tags of 800 MB": _id3_bomb,
    "mp4 with a packed index of 200 MB": _packed_moov,
    "mp4 of boxes 20,000 deep": _nested_boxes,
    "playlist of itself": lambda: _endless_list(3),
    "playlist of 300,000 entries": lambda: _endless_list(300_000),
    "concat list of itself": lambda: b"ffconcat version 1.0\n" + b"file 'list.ffconcat'\n" * 20_000,
    "dash manifest": lambda: b'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="dynamic">' + b"<Period>" * 5_000,
    "sdp session": lambda: b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    "billion laughs": lambda: b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha">' + b"".join(
        f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">'.encode() for n in range(9)
    ) + b"]><MPD>&j;</MPD>",
    "nothing but zeros": lambda: bytes(3_000_000),
    "nothing but ones": lambda: b"\xff" * 3_000_000,
    "noise": lambda: _noise(3_000_000),
}  # fmt: skip
