"""Whether the same originals come out whatever order an archive arrives in.

    python -m bench.origin [--recordings 200] [--orders 4] [--archive FOLDER [--go-on]]

Recordings of 50 s are cut from real ones; of each three copies are made, of every kind. All are put into the inbox of
an embedded cloud, in another order each time. Asked is whose copy each is in the end, and where in it. An archive of
200 takes a quarter of an hour to make, and each order of it some minutes: in a folder of its own it is made once, and a
run that was stopped goes on after the last order that it came to the end of.
"""

from __future__ import annotations

import argparse
import os
import pickle
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.signal import resample_poly

from bench.system import embedded, real_recordings
from sonicgen.cloud.objects import upload_file
from sonicgen.domain.match import Decision
from sonicgen.domain.recording import MatchStatus, Recording
from sonicgen.events.objects import VIDEO_ID
from sonicgen.local.demo_sounds import RATE_HZ, Sound, disturb, make_music, read_sound, write_sound
from sonicgen.match.memory_index import MemoryIndex
from sonicgen.match.search import find_matches
from sonicgen.sound.fingerprint import Fingerprinter
from sonicgen.sound.spectrum import SAMPLE_RATE_HZ
from sonicgen.steps.originals import common
from sonicgen.steps.services import Services
from sonicgen.store import recordings

SECONDS = 50.0
FIRST_DAY = datetime(2026, 3, 1, tzinfo=UTC)
COMPILED_PIECES, COMPILED_SECONDS = 4, 14.0
# Ends of ranges are within this of the truth, as docs/fingerprint.md measures them.
TOLERANCE_SECONDS = 0.5
RIGHT_SHARE = 0.99
MOST_UNDER_WAY = 4


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


@dataclass(frozen=True)
class Outcome:
    """What became of one file."""

    original: str | None
    ranges: tuple[Part, ...]


def outcomes(services: Services) -> dict[str, Outcome]:
    """Return what the system says of every file, by its name."""
    everything = {r.id: r for r in _all(services)}
    return {
        recording.title: Outcome(
            None if recording.original_video_id is None else everything[recording.original_video_id].title,
            tuple(
                Part(everything[other].title, piece.here, piece.there)
                for other, pieces in common(services.database, recording.id).items()
                for piece in pieces
            ),
        )
        for recording in everything.values()
    }


def _all(services: Services) -> Iterator[Recording]:
    cursor = None
    while True:
        page = recordings.list_page(services.database, limit=500, cursor=cursor)
        yield from page.recordings
        cursor = page.next_cursor
        if cursor is None:
            return


def is_range_right(truth: Part, outcome: Outcome) -> bool:
    """Return whether a true stretch was found where it is."""
    return any(
        found.source == truth.source
        and all(
            abs(a - b) <= TOLERANCE_SECONDS
            for a, b in zip((*found.here, *found.there), (*truth.here, *truth.there), strict=True)
        )
        for found in outcome.ranges
    )


def put(services: Services, one: Made) -> None:
    """Put a file into the bucket as a download does, with what its site said of it."""
    identifier = uuid4()
    with services.database.transaction() as connection:
        connection.execute(
            "insert into videos (id, title, published_at) values (%s, %s, %s)",
            (identifier, one.path.name, one.published),
        )
    name = f"audio/{identifier}{one.path.suffix}"
    upload_file(services.settings.media_bucket, name, one.path, metadata={VIDEO_ID: str(identifier)})


def under_way(services: Services) -> int:
    """Return how many recordings are not decided yet."""
    counts = recordings.counts_by_status(services.database)
    return counts[None] + counts[MatchStatus.PENDING]


def _wait(is_over: Callable[[], bool]) -> None:
    while not is_over():
        time.sleep(0.02)


def run_order(made: list[Made], order: int) -> tuple[dict[str, Outcome], float]:
    """Put the archive in, in the order of a seed; return what came of it and the seconds it took."""
    made = made.copy()
    random.Random(order).shuffle(made)
    with tempfile.TemporaryDirectory() as folder, embedded(Path(folder) / "data") as (_, services):
        started = time.monotonic()
        for one in track(made, f"order {order}"):
            put(services, one)
            _wait(lambda: under_way(services) < MOST_UNDER_WAY)
        _wait(lambda: under_way(services) == 0)
        return outcomes(services), time.monotonic() - started


def main() -> int:
    """Run all orders and print what came out."""
    parser = argparse.ArgumentParser(prog="python -m bench.origin", description=__doc__)
    parser.add_argument("--recordings", type=int, default=200)
    parser.add_argument("--orders", type=int, default=4)
    parser.add_argument("--archive", type=Path, help="where the archive is kept, and taken from if it is there")
    parser.add_argument(
        "--go-on", action="store_true", help="take over the orders that an earlier run came to the end of"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, _words_and_voices_off():
        folder = options.archive or Path(temporary)
        made = make_archive(folder, options.recordings)
        results = [kept_order(folder, made, order, anew=not options.go_on) for order in range(options.orders)]
    return report(made, results)


def kept_order(folder: Path, made: list[Made], order: int, *, anew: bool) -> tuple[dict[str, Outcome], float]:
    """Run an order and keep what came of it in the folder, or take what is kept there."""
    kept = folder / f"order {order} of {len(made)}.pickle"
    if anew or not kept.exists():
        kept.write_bytes(pickle.dumps(run_order(made, order)))
    found: tuple[dict[str, Outcome], float] = pickle.loads(kept.read_bytes())  # noqa: S301 - written by ourselves
    print(f"order {order}: {found[1]:.0f} s, ended {datetime.fromtimestamp(kept.stat().st_mtime, UTC):%Y-%m-%d %H:%M}")
    return found


@contextmanager
def _words_and_voices_off() -> Iterator[None]:
    """Leave out what the origin does not depend on; the environment is put back afterwards."""
    names = ("SONICGEN_TRANSCRIPTION", "SONICGEN_EMBEDDER")
    before = {name: os.environ.pop(name, None) for name in names}
    os.environ.update(dict.fromkeys(names, "off"))
    try:
        yield
    finally:
        for name, value in before.items():
            del os.environ[name]
            if value is not None:
                os.environ[name] = value


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


def report(made: list[Made], results: list[tuple[dict[str, Outcome], float]]) -> int:
    """Print the table by kind; return 1 when less than RIGHT_SHARE is right."""
    table = Table("kind", "files", "original right", "ranges right", "same original in every order")
    right_in_all = 0
    for kind, count in Counter(one.kind for one in made).items():
        chosen = [one for one in made if one.kind == kind]
        cells = [(one, results_of[one.path.name]) for results_of, _ in results for one in chosen]
        right = sum(outcome.original == one.original for one, outcome in cells)
        parts = [(part, outcome) for one, outcome in cells for part in one.parts]
        found = sum(is_range_right(part, outcome) for part, outcome in parts)
        same = sum(len({results_of[one.path.name].original for results_of, _ in results}) == 1 for one in chosen)
        right_in_all += right
        table.add_row(
            kind,
            str(count),
            f"{right / len(cells):.1%}",
            f"{found / len(parts):.1%}" if parts else "–",
            f"{same / count:.1%}",
        )
    console = Console()
    console.print(table)
    share = right_in_all / (len(made) * len(results))
    seconds = ", ".join(f"{taken:.0f}" for _, taken in results)
    console.print(f"{len(made)} files, {len(results)} orders: {share:.2%} right; {seconds} s")
    for one in made:
        answers = [results_of[one.path.name].original for results_of, _ in results]
        if any(answer != one.original for answer in answers):
            console.print(f"  {one.path.name} ({one.kind}): {answers}, should be {one.original}")
    return 0 if share >= RIGHT_SHARE else 1


if __name__ == "__main__":
    raise SystemExit(main())
