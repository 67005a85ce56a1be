"""An archive of recordings and their copies of every kind, with the truth about each (`bench.origin` asks for it)."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from rich.progress import track
from scipy.signal import resample_poly

from bench.system import real_recordings
from sonicgen.domain.match import Decision
from sonicgen.local.demo_sounds import RATE_HZ, Sound, disturb, make_music, read_sound, write_sound
from sonicgen.match.memory_index import MemoryIndex
from sonicgen.match.search import find_matches
from sonicgen.sound.fingerprint import Fingerprinter
from sonicgen.sound.spectrum import SAMPLE_RATE_HZ

SECONDS = 50.0
FIRST_DAY = datetime(2026, 3, 1, tzinfo=UTC)
COMPILED_PIECES, COMPILED_SECONDS = 4, 14.0


@dataclass(frozen=True)
class Part:
    """Where a stretch of a copy comes from: (start, end) there, (start, end) in the source."""

    source: str
    here: tuple[float, float]
    there: tuple[float, float]


@dataclass(frozen=True)
class Made:
    """One file of the archive and the truth about it; `original` is None for what is nobody's copy."""

    path: Path
    kind: str
    original: str | None
    parts: tuple[Part, ...]
    published: datetime | None


def cut(sound: Sound, start_seconds: float, end_seconds: float) -> Sound:
    """Return a stretch of a sound."""
    return sound[round(start_seconds * RATE_HZ) : round(end_seconds * RATE_HZ)]


def make_sources(count: int) -> list[Sound]:
    """Return stretches of real recordings, none of which is heard in another; music of our own where there are none."""
    found: list[Sound] = []
    index = MemoryIndex()
    for path in real_recordings():
        sound = read_sound(path)
        # The first seconds of some are an announcement that all of a series begin with.
        for start in np.arange(20.0, len(sound) / RATE_HZ - SECONDS, SECONDS + 5)[:3]:
            stretch = cut(sound, start, start + SECONDS)
            if len(found) < count and _is_unheard(stretch, index, len(found)):
                found.append(stretch)
    missing = range(count - len(found))
    return found + [make_music(n, seconds=SECONDS, beats_per_minute=70 + n % 60, metre=3 + n % 3) for n in missing]


def _is_unheard(sound: Sound, index: MemoryIndex, number: int) -> bool:
    """Return whether nothing of a stretch was there before (some music repeats itself to the sample); remember it."""
    maker = Fingerprinter()
    maker.feed(np.asarray(resample_poly(sound, SAMPLE_RATE_HZ // 25, RATE_HZ // 25), np.float32))
    fingerprint = maker.finish()
    if any(match.decision is Decision.MATCH for match in find_matches(fingerprint, index)):
        return False
    index.add(number, fingerprint)
    return True


class Archive:
    """Writes the recordings and their copies."""

    def __init__(self, folder: Path, sources: list[Sound]) -> None:
        self._folder = folder
        self._sources = sources
        self._chance = random.Random(1)
        self.made: list[Made] = []

    def make(self) -> None:
        """Write every file."""
        kinds: list[Callable[[int], None]] = [
            self._excerpt, self._reencoded, self._faster, self._introduced, self._interrupted, self._noisy,
        ]  # fmt: skip
        for number, sound in enumerate(track(self._sources, "making the archive")):
            self._write(f"s{number:03d}.mp3", sound, 192_000, "recording", None, ())
            for kind in self._chance.sample(kinds, 3 if number % 5 else 2):
                kind(number)
        for number in range(len(self._sources) // 5):
            self._compiled(number)

    def _write(
        self, name: str, sound: Sound, bit_rate: int, kind: str, original: str | None, parts: tuple[Part, ...]
    ) -> None:  # fmt: skip
        """Write a file. Half of the families have dates; in the others only the sound tells, and copies are poorer."""
        number = int(name[-7:-4])
        published = None
        if number % 2 and kind != "compilation":
            published = FIRST_DAY + timedelta(days=self._chance.uniform(2, 60) if original else 0.0)
        elif original is not None:
            bit_rate = min(bit_rate, 48_000)
        write_sound(self._folder / name, sound, bit_rate)
        self.made.append(Made(self._folder / name, kind, original, parts, published))

    def _whole(self, number: int, kind: str, sound: Sound, bit_rate: int, *places: tuple[float, float, float]) -> None:
        """Write a copy; `places` are (start here, start there, seconds there)."""
        source = f"s{number:03d}.mp3"
        parts = tuple(Part(source, (here, here + seconds), (there, there + seconds)) for here, there, seconds in places)
        self._write(f"{kind[:3]}{number:03d}.mp3", sound, bit_rate, kind, source, parts)

    def _excerpt(self, number: int) -> None:
        start, seconds = self._chance.uniform(2, 20), self._chance.uniform(12, 25)
        self._whole(number, "excerpt", cut(self._sources[number], start, start + seconds), 128_000, (0, start, seconds))

    def _reencoded(self, number: int) -> None:
        self._whole(number, "re-encoded", self._sources[number], 48_000, (0, 0, SECONDS))

    def _faster(self, number: int) -> None:
        speed = self._chance.choice((1.02, 1.03, 1.04))
        sound = disturb(self._sources[number], start_seconds=0, seconds=SECONDS, speed=speed, noise=0.0, seed=1)
        source = f"s{number:03d}.mp3"
        part = Part(source, (0, SECONDS / speed), (0, SECONDS))
        self._write(f"fas{number:03d}.mp3", sound, 96_000, "faster", source, (part,))

    def _introduced(self, number: int) -> None:
        sound = np.concatenate([self._foreign(number, 2.5), cut(self._sources[number], 3.0, SECONDS)])
        self._whole(number, "other intro", sound, 96_000, (2.5, 3.0, SECONDS - 3.0))

    def _interrupted(self, number: int) -> None:
        sound = self._sources[number]
        middle = [cut(sound, 0, 20), self._foreign(number, 2.5), cut(sound, 20, SECONDS)]
        self._whole(number, "with an advert", np.concatenate(middle), 96_000, (0, 0, 20), (22.5, 20, SECONDS - 20))

    def _noisy(self, number: int) -> None:
        sound = disturb(self._sources[number], start_seconds=0, seconds=SECONDS, speed=1.0, noise=0.3, seed=number)
        self._whole(number, "noisy", sound, 64_000, (0, 0, SECONDS))

    def _foreign(self, number: int, seconds: float) -> Sound:
        """Return material that is in no other file."""
        return make_music(1_000 + len(self.made) + number, seconds=seconds, beats_per_minute=140, metre=4)

    def _compiled(self, number: int) -> None:
        chosen = self._chance.sample(range(len(self._sources)), COMPILED_PIECES)
        starts = [self._chance.uniform(3, SECONDS - COMPILED_SECONDS - 3) for _ in chosen]
        pieces = [
            cut(self._sources[n], start, start + COMPILED_SECONDS) for n, start in zip(chosen, starts, strict=True)
        ]
        parts = tuple(
            Part(
                f"s{n:03d}.mp3",
                (place * COMPILED_SECONDS, (place + 1) * COMPILED_SECONDS),
                (start, start + COMPILED_SECONDS),
            )
            for place, (n, start) in enumerate(zip(chosen, starts, strict=True))
        )
        self._write(f"com{number:03d}.mp3", np.concatenate(pieces), 128_000, "compilation", None, parts)


def make_archive(folder: Path, count: int) -> list[Made]:
    """Return the files of an archive, made now unless the folder holds it already."""
    listed = folder / f"archive of {count}.pickle"
    if not listed.exists():
        folder.mkdir(parents=True, exist_ok=True)
        archive = Archive(folder, make_sources(count))
        archive.make()
        listed.write_bytes(pickle.dumps(archive.made))
    made: list[Made] = pickle.loads(listed.read_bytes())  # noqa: S301 - written by ourselves
    return made
