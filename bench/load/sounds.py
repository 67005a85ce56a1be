"""The recordings of a day, made once and kept: every one has sound of its own, but for those that are copies."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from sonicgen.local.demo_sounds import Sound

RATE_HZ = 22_050
BIT_RATE = 48_000
CLIP_SECONDS = 5.0
# Of the short ones, as archives of clips have them: cut out of an earlier recording and encoded anew.
COPIES = 0.2
_NOTES = np.array([220.0 * 2 ** (step / 12) for step in (0, 2, 3, 5, 7, 8, 10, 12, 14, 15, 17, 19)])
_VOICES = 4


@dataclass(frozen=True, slots=True)
class Item:
    """One recording of the day: when it arrives (seconds), its file, and a clip of it to ask about, if there is one."""

    arrives: float
    path: Path
    seconds: float
    is_long: bool
    is_copy: bool
    clip: Path | None


def make_day(folder: Path, shorts: int, longs: int, duration_seconds: float) -> list[Item]:
    """Return the recordings of a day in the order of their arrival, making the files that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(11)
    kinds = ["short"] * shorts + ["long"] * longs
    chance.shuffle(kinds)
    times = sorted(chance.uniform(0, duration_seconds) for _ in kinds)
    made: list[Item] = []
    for number, (kind, arrives) in enumerate(zip(kinds, times, strict=True)):
        made.append(_make(folder, number, kind == "long", arrives, made, chance))
    return made


def _make(folder: Path, number: int, is_long: bool, arrives: float, before: list[Item], chance: random.Random) -> Item:
    seconds = chance.uniform(360, 720) if is_long else chance.uniform(12, 48)
    earlier = [item for item in before[-60:] if not item.is_long and not item.is_copy]
    is_copy = not is_long and bool(earlier) and chance.random() < COPIES
    source = chance.choice(earlier) if is_copy else None
    path = folder / f"{number:05d}{'-long' if is_long else '-copy' if is_copy else ''}.mp3"
    clip = folder / f"{number:05d}.clip.mp3" if number % 4 == 0 and not is_copy else None
    if source is not None:
        seconds = source.seconds * 0.96
    if not path.exists():
        if source is None:
            sound = compose(number, seconds)
            if clip is not None:
                start = int(chance.uniform(0, seconds - CLIP_SECONDS) * RATE_HZ)
                write_mp3(clip, sound[start : start + int(CLIP_SECONDS * RATE_HZ)])
        else:
            sound = compose(int(source.path.name[:5]), source.seconds)[int(0.02 * source.seconds * RATE_HZ) :]
            sound = sound[: int(seconds * RATE_HZ)] * np.float32(0.7)
        write_mp3(path, sound)
    elif clip is not None:
        chance.uniform(0, seconds - CLIP_SECONDS)  # what follows stays what it was when the file was made
    return Item(arrives, path, seconds, is_long, is_copy, clip)


def compose(seed: int, seconds: float) -> Sound:
    """Return music that no other seed makes: chords of random notes with vibrato, and breaths of noise."""
    chance = np.random.default_rng(seed)
    count = int(seconds * RATE_HZ)
    sound = np.zeros(count, np.float32)
    at = 0
    while at < count:
        size = min(count - at, int(chance.uniform(0.12, 0.45) * RATE_HZ))
        times = np.arange(size, dtype=np.float32) / RATE_HZ
        envelope = np.exp(-times * chance.uniform(2, 9)).astype(np.float32)
        for _ in range(_VOICES):
            hertz = chance.choice(_NOTES) * chance.choice([1, 2, 4]) * chance.uniform(0.985, 1.015)
            sound[at : at + size] += envelope * np.sin(2 * np.pi * np.float32(hertz) * times, dtype=np.float32)
        at += size
    sound += chance.standard_normal(count, dtype=np.float32) * np.float32(0.01)
    return sound / np.float32(_VOICES)


def write_mp3(path: Path, sound: Sound) -> None:
    """Write mono sound as mp3, whole or not at all."""
    part = path.with_suffix(".part")
    with av.open(str(part), "w", format="mp3") as container:
        # The fastest of lame's ways: the load is of what comes after.
        stream = container.add_stream("mp3", rate=RATE_HZ, layout="mono", options={"compression_level": "9"})
        stream.bit_rate = BIT_RATE
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[None, :]), format="fltp", layout="mono")
        frame.sample_rate = RATE_HZ
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    part.rename(path)
