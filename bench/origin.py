"""Whether the same originals come out whatever order an archive arrives in.

    python -m bench.origin [--recordings 200] [--orders 4] [--archive FOLDER [--go-on]]

Recordings of 50 s are cut from real ones; of each three copies are made, of every kind. All are put into the inbox of
an embedded cloud, in another order each time. Asked is whose copy each is in the end, and where in it. An archive of
200 takes a quarter of an hour to make, and each order of it some minutes: in a folder of its own it is made once, and a
run that was stopped goes on after the last order that it came to the end of.
"""

from __future__ import annotations

import argparse
import math
import os
import pickle
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.origin_archive import Made, Part, make_archive
from bench.system import embedded
from sonicgen.cloud.objects import upload_file
from sonicgen.domain.recording import MatchStatus, Recording
from sonicgen.events.objects import VIDEO_ID
from sonicgen.steps.originals import common
from sonicgen.steps.services import Services
from sonicgen.store import recordings

# How far the ends of ranges may be from the truth, as a person who marks them by ear is; a stretch of less than 5 s is
# never taken for something of its own (origin/verdict.py).
TOLERANCES_SECONDS = (0.5, 1.0)
RIGHT_SHARE = 0.99
MOST_UNDER_WAY = 4


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


def ends_of(part: Part) -> tuple[float, ...]:
    """Return where a stretch begins and ends, here and there."""
    return (*part.here, *part.there)


def distance_seconds(one: Part, other: Part) -> float:
    """Return how far the ends of two stretches are apart at most."""
    return max(abs(a - b) for a, b in zip(ends_of(one), ends_of(other), strict=True))


def found_range(truth: Part, outcome: Outcome) -> Part | None:
    """Return the stretch that was found for a true one: the nearest of the same source."""
    own = [found for found in outcome.ranges if found.source == truth.source]
    return min(own, key=lambda found: distance_seconds(truth, found), default=None)


def range_error_seconds(truth: Part, outcome: Outcome) -> float:
    """Return by how much the worst end of the range is off; infinite when none was found."""
    found = found_range(truth, outcome)
    return distance_seconds(truth, found) if found else math.inf


def is_same_everywhere(truth: Part, orders: Sequence[Outcome]) -> bool:
    """Return whether the same range was found in every order, each end within the smallest tolerance."""
    found = [found_range(truth, outcome) for outcome in orders]
    ends = [ends_of(part) for part in found if part]
    apart = (max(values) - min(values) <= TOLERANCES_SECONDS[0] for values in zip(*ends, strict=True))
    return len(ends) == len(orders) and all(apart)


def shares_within(errors: Sequence[float]) -> str:
    """Return which shares of the stretches are right to each tolerance."""
    return " / ".join(f"{sum(e <= t for e in errors) / len(errors):.1%}" for t in TOLERANCES_SECONDS) if errors else "–"


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


def report(made: list[Made], results: list[tuple[dict[str, Outcome], float]]) -> int:
    """Print the table by kind; return 1 when less than RIGHT_SHARE is right."""
    tolerances = " / ".join(f"{tolerance:g}" for tolerance in TOLERANCES_SECONDS)
    table = Table("kind", "files", "original right", f"ranges right to {tolerances} s", "same original in every order")
    right_in_all = 0
    all_errors: list[float] = []
    for kind, count in Counter(one.kind for one in made).items():
        chosen = [one for one in made if one.kind == kind]
        cells = [(one, results_of[one.path.name]) for results_of, _ in results for one in chosen]
        right = sum(outcome.original == one.original for one, outcome in cells)
        errors = [range_error_seconds(part, outcome) for one, outcome in cells for part in one.parts]
        all_errors += errors
        same = sum(len({results_of[one.path.name].original for results_of, _ in results}) == 1 for one in chosen)
        right_in_all += right
        table.add_row(
            kind,
            str(count),
            f"{right / len(cells):.1%}",
            shares_within(errors),
            f"{same / count:.1%}",
        )
    console = Console()
    console.print(table)
    share = right_in_all / (len(made) * len(results))
    seconds = ", ".join(f"{taken:.0f}" for _, taken in results)
    console.print(f"{len(made)} files, {len(results)} orders: {share:.2%} right; {seconds} s")
    console.print(f"{len(all_errors)} ranges, right to {tolerances} s: {shares_within(all_errors)}")
    stretches = [(part, [found[one.path.name] for found, _ in results]) for one in made for part in one.parts]
    same_ranges = sum(is_same_everywhere(part, orders) for part, orders in stretches)
    console.print(f"{same_ranges} of {len(stretches)} stretches have the same range in every order")
    for one in made:
        answers = [results_of[one.path.name].original for results_of, _ in results]
        if any(answer != one.original for answer in answers):
            console.print(f"  {one.path.name} ({one.kind}): {answers}, should be {one.original}")
    return 0 if share >= RIGHT_SHARE else 1


if __name__ == "__main__":
    raise SystemExit(main())
