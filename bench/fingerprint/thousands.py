"""An index of thousands of hours in Postgres, and what queries cost against it.

Real recordings and 200 h of imitations (bench/fingerprint/scale.py) are fingerprinted; everything beyond that is the
imitations in other keys: every peak moved up or down by whole steps of the landmarks' pitch grid, which changes keys
and keeps how uneven they are, what repeats within a recording and what sounds together. In the order of landmark places
such a transposition is a rotation, so blocks are written in order, without sorting billions of postings.

    python -m bench.fingerprint.thousands build --corpus FOLDER --cluster FOLDER --hours 5000
    python -m bench.fingerprint.thousands measure --queries FOLDER --cluster FOLDER
    python -m bench.fingerprint.thousands recall --corpus FOLDER --queries FOLDER --cluster FOLDER
    python -m bench.fingerprint.thousands memory --queries FOLDER --cluster FOLDER
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid5

import numpy as np
import psutil
import psycopg
from numpy.typing import NDArray
from rich.progress import track

from bench.fingerprint.scale import add, imitate, measure, read_corpus
from sonicgen.domain.match import Decision, Match
from sonicgen.domain.recording import RECORDING_NAMESPACE
from sonicgen.local.postgres import LocalPostgres
from sonicgen.match.blocks import PLACE_BITS, block_bits, places_of
from sonicgen.match.memory_index import MemoryIndex
from sonicgen.match.search import find_matches, warm_up
from sonicgen.sound.fingerprint import Fingerprint, fingerprint
from sonicgen.sound.landmarks import PITCH_STEP, index_landmarks
from sonicgen.sound.peaks import Peaks
from sonicgen.steps import pack_index as packing
from sonicgen.steps.search_index import PostgresIndex, packed_segments
from sonicgen.store import packed, postings
from sonicgen.store.database import Connection, Database
from sonicgen.store.migrations import migrate

BASE_HOURS = 200.0
# What the log-structured merge leaves at rest: each segment at least three times the next (steps/pack_index.py).
SEGMENT_SHARES = (0.75, 0.19, 0.045, 0.015)
CHUNK_POSTINGS = 6_000_000
_PITCH_BITS = 7  # the anchor's pitch, the uppermost bits of a key of 29
_KEY_BITS = 29
_TURN = np.int64(1) << PLACE_BITS


@dataclass(frozen=True)
class Base:
    """The imitations' postings in the order of their places, and their recordings."""

    places: NDArray[np.int64]
    pitches: NDArray[np.uint8]
    recordings: NDArray[np.int32]
    frames: NDArray[np.int32]
    made: list[Fingerprint]

    @property
    def hours(self) -> float:
        """How much sound it is."""
        return sum(one.seconds for one in self.made) / 3600


def make_base(originals: Sequence[Fingerprint], hours: float) -> Base:
    """Return so many hours of imitations."""
    rng = np.random.default_rng(1)
    made: list[Fingerprint] = []
    keys, frames, recordings = [], [], []
    seconds = 0.0
    while seconds < hours * 3600:
        one = imitate(originals[int(rng.integers(len(originals)))], rng)
        some_keys, some_frames = index_landmarks(one.peaks)
        keys.append(some_keys)
        frames.append(some_frames)
        recordings.append(np.full(len(some_keys), len(made), np.int32))
        made.append(Fingerprint(Peaks(one.peaks.frames, one.peaks.pitches, one.peaks.strengths), one.seconds))
        seconds += one.seconds
    all_keys = np.concatenate(keys)
    places = places_of(all_keys)
    order = np.lexsort((np.concatenate(frames), np.concatenate(recordings), places))
    return Base(
        places[order],
        (all_keys >> _KEY_BITS - _PITCH_BITS).astype(np.uint8)[order],
        np.concatenate(recordings)[order],
        np.concatenate(frames)[order],
        made,
    )


def steps_of(copies: int) -> list[int]:
    """Return by how many steps each copy is transposed: 0, 1, -1, 2, -2 …"""
    return [(i + 1) // 2 * (1 if i % 2 else -1) for i in range(copies)]


def turn_of(step: int, wraps: int) -> int:
    """Return by how much a transposition moves places; `wraps`: the pitch leaves its range, upwards 1, downwards -1."""
    key = (step << _KEY_BITS - _PITCH_BITS) - (wraps << _KEY_BITS)
    return int(places_of(np.array([key & 0xFFFFFFFF], np.uint32).view(np.int32))[0])


def write_segment(connection: Connection, base: Base, steps: Sequence[int], first_number: int) -> int:
    """Write one segment that holds some transpositions of the base; return how many postings."""
    total = len(base.places) * len(steps)
    bits = block_bits(total)
    segment = packed.add_segment(connection, first_number, first_number + len(base.made) * len(steps) - 1, bits, total)
    chunks = 1 << max(0, int(np.ceil(np.log2(total / CHUNK_POSTINGS))))
    width = int(_TURN) // chunks
    for chunk in track(
        range(chunks),
        f"{len(steps)} × {base.hours:.0f} h",
    ):
        first = chunk * width
        places, numbers, frames = [], [], []
        for i, step in enumerate(steps):
            for chosen, turn in _chosen(base, step, first, first + width):
                places.append((base.places[chosen] + turn) % _TURN)
                numbers.append(base.recordings[chosen].astype(np.int64) + first_number + i * len(base.made))
                frames.append(base.frames[chosen].astype(np.int64))
        order = np.argsort(all_places := np.concatenate(places), kind="stable")
        packing._write_sorted(
            connection, segment, first_number, bits, all_places[order], np.concatenate(numbers)[order],
            np.concatenate(frames)[order],
        )  # fmt: skip
    return total


def _chosen(base: Base, step: int, first: int, end: int) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Yield the postings that a transposition brings between two places, with by how much each is moved."""
    for wraps in (-1, 0, 1):
        turn = turn_of(step, wraps)
        start, stop = (first - turn) % int(_TURN), (end - turn) % int(_TURN)
        parts = [(start, stop)] if start < stop else [(start, int(_TURN)), (0, stop)]
        for low, high in parts:
            a, b = np.searchsorted(base.places, [low, high])
            pitches = base.pitches[a:b].astype(np.int64) + step
            side = (pitches < 0).astype(np.int64) * -1 + (pitches > 127)
            chosen = a + np.nonzero(side == wraps)[0]
            if len(chosen):
                yield chosen, turn


def write_recordings(connection: Connection, base: Base, step: int, first_number: int) -> None:
    """Write the recordings and their peaks of one transposition."""
    ids = [uuid5(RECORDING_NAMESPACE, f"{first_number + i}") for i in range(len(base.made))]
    with connection.cursor().copy(
        "copy videos (id, number, title, duration_seconds, match_status, reason, index_version) from stdin"
    ) as copy:
        for i, (one, identifier) in enumerate(zip(base.made, ids, strict=True)):
            copy.write_row((identifier, first_number + i, "x", one.seconds, "fingerprinted", "new", one.version))
    with connection.cursor().copy("copy recording_peaks (video_id, segment, first_frame, data) from stdin") as copy:
        for one, identifier in zip(base.made, ids, strict=True):
            pitches = np.clip(one.peaks.pitches + PITCH_STEP * step, 0, 255).astype(np.float32)
            for segment, first_frame, data in packed_segments(Peaks(one.peaks.frames, pitches, one.peaks.strengths)):
                copy.write_row((identifier, segment, first_frame, data))


def build(database: Database, url: str, originals: list[Fingerprint], hours: float) -> None:
    """Make the index: segments as merging leaves them, the real recordings last."""
    started = time.perf_counter()
    base = make_base(originals, min(BASE_HOURS, hours))
    copies = max(1, round(hours / base.hours))
    print(f"{base.hours:.0f} h of imitations, {len(base.places):,} postings, {time.perf_counter() - started:.0f} s")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("alter table videos disable trigger user")
    started = time.perf_counter()
    steps, number, total = steps_of(copies), 1, 0
    shares = [max(1, round(share * copies)) for share in SEGMENT_SHARES]
    while steps:
        count = min(len(steps), shares.pop(0) if shares else 1)
        some, steps = steps[:count], steps[count:]
        with database.transaction() as connection:
            packed.lock(connection)
            first_number = number
            for step in some:
                write_recordings(connection, base, step, number)
                number += len(base.made)
            total += write_segment(connection, base, some, first_number)
        print(f"{total:,} postings at {total / (time.perf_counter() - started):,.0f}/s", flush=True)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("alter table videos enable trigger user")
        connection.execute(
            "update index_totals set milliseconds = (select sum(round(duration_seconds * 1000)) from videos)"
        )
        connection.execute("select setval('videos_number_seq', %s)", (number,))
    with database.transaction() as connection:
        for one in originals:
            add(connection, database, one, as_rows=True)
    packing.pack_index(database)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum analyze")


def recall(database: Database, corpus: Path, queries: Path) -> None:
    """Print by length how many clips are found in the large index, and in the real recordings alone.

    "Ranked" counts clips whose best match, sure or unsure, is right.
    """
    alone = MemoryIndex()
    originals = read_corpus(corpus)
    for number, one in enumerate(originals):
        alone.add(number, one)
    names = [row["id"] for row in csv.DictReader((corpus / "manifest.csv").open()) if row["role"] == "db"]
    first = (
        postings.state(database).latest_number - len(originals) + 1
    )  # the real ones were stored last, in their order
    right: dict[int, list[tuple[bool, ...]]] = {}
    accepted = [0, 0]
    for query in track(list(map(json.loads, (queries / "queries.jsonl").open())), "queries"):
        clip = fingerprint(queries / query["file"])
        answers = (find_matches(clip, alone)[:1], find_matches(clip, PostgresIndex(database))[:1])
        if query["neg"]:
            for i, answer in enumerate(answers):
                accepted[i] += any(match.decision is Decision.MATCH for match in answer)
            continue
        best: list[tuple[Match | None, bool]] = []
        for answer, before in zip(answers, (0, first), strict=True):
            match = answer[0] if answer else None
            best.append((match, match is not None and _is_right(match, match.recording - before, names, query)))
        sure = [is_right and match is not None and match.decision is Decision.MATCH for match, is_right in best]
        right.setdefault(query["len"], []).append((*sure, *(is_right for _, is_right in best)))
    for seconds, pairs in sorted(right.items()):
        shares = 100 * np.mean(pairs, axis=0)
        print(
            f"{seconds} s ({len(pairs)}): sure, alone {shares[0]:.1f} %, in the large index {shares[1]:.1f} %; "
            f"ranked, alone {shares[2]:.1f} %, in the large index {shares[3]:.1f} %"
        )
    print("accepted of clips that are nowhere:", accepted)


def _is_right(match: Match, number: int, names: Sequence[str], query: dict[str, Any]) -> bool:
    """By the harness's rule: the right recording, the start within half a second."""
    if not 0 <= number < len(names) or names[number] != query["item"]:
        return False
    offset = match.reference_start_seconds - match.speed * match.query_start_seconds
    apart = abs(offset - query["start"])
    allowed = 0.5 + abs(1 - query["rate"]) * query["len"]
    return bool(apart <= allowed)


def watch_memory(database: Database, recordings: Path) -> None:
    """Search for each file of a folder, one after the other in this process; print what it takes after each."""
    process = psutil.Process()
    for path in sorted(recordings.glob("*.mp3")):
        heard = fingerprint(path)
        started = time.perf_counter()
        find_matches(heard, PostgresIndex(database))
        took, resident_mb = time.perf_counter() - started, process.memory_info().rss / 2**20
        print(f"{path.name}: {heard.seconds:.0f} s, searched in {took:.1f} s, {resident_mb:.0f} MB", flush=True)


def main() -> None:
    """Build or measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("build", "measure", "recall", "memory"))
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--queries", type=Path)
    parser.add_argument("--cluster", type=Path, required=True)
    parser.add_argument("--hours", type=float, default=5_000.0)
    options = parser.parse_args()
    options.cluster.mkdir(exist_ok=True, parents=True)
    warm_up()
    with LocalPostgres(options.cluster / "pg") as server, Database(server.url) as database:
        migrate(database)
        if options.what == "build":
            build(database, server.url, read_corpus(options.corpus), options.hours)
        elif options.what == "recall":
            recall(database, options.corpus, options.queries)
        elif options.what == "memory":
            watch_memory(database, options.queries)
        else:
            measure(database, server.url, options.cluster, options.queries)


if __name__ == "__main__":
    main()
