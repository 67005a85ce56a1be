"""The index in Postgres at many hours: size, load rate, and what queries cost.

Real recordings first, then as many hours as wanted of imitations: the same peaks backwards with other tempo, pitch,
jitter and strengths, so that keys are as unevenly spread as real ones and nothing new is found (docs/database.md).

    python bench/fingerprint/scale.py --corpus FOLDER --queries FOLDER --cluster FOLDER --hours 100
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import numpy as np
import psutil
import psycopg

from sonicgen.domain.recording import MatchStatus, Reason
from sonicgen.local.postgres import LocalPostgres
from sonicgen.match.blocks import block_bits, places_of
from sonicgen.match.search import find_matches, warm_up
from sonicgen.sound.fingerprint import Fingerprint, fingerprint
from sonicgen.sound.landmarks import query_landmarks
from sonicgen.sound.peaks import Peaks
from sonicgen.steps import pack_index as packing
from sonicgen.steps.search_index import PostgresIndex, packed_segments
from sonicgen.store import packed, postings, recordings
from sonicgen.store.database import Connection, Database
from sonicgen.store.migrations import migrate

CHUNK_HOURS = 8.0


def read_corpus(folder: Path) -> list[Fingerprint]:
    """Return the fingerprints of what is to be found."""
    rows = [row for row in csv.DictReader((folder / "manifest.csv").open()) if row["role"] == "db"]
    return [fingerprint(folder / row["file"]) for row in rows]


def imitate(original: Fingerprint, rng: np.random.Generator) -> Fingerprint:
    """Return a recording that is as dense and as repetitive, and another one."""
    tempo, pitch = rng.uniform(0.8, 1.25), rng.uniform(-24, 24)
    peaks, n = original.peaks, len(original.peaks)
    backwards = int(peaks.frames[-1]) - peaks.frames
    frames = np.maximum(0, np.rint(backwards * tempo) + rng.integers(-2, 3, n)).astype(np.int32)
    pitches = np.clip(peaks.pitches + pitch + rng.normal(0, 1.5, n), 0, 255).astype(np.float32)
    strengths = (peaks.strengths * rng.uniform(0.5, 1.5, n)).astype(np.float32)
    order = np.lexsort((pitches, frames))
    return Fingerprint(Peaks(frames[order], pitches[order], strengths[order]), original.seconds * tempo)


def add(
    connection: Connection, database: Database, made: Fingerprint, as_rows: bool
) -> tuple[int, np.ndarray, np.ndarray]:
    """Store a recording, its landmarks as rows or not at all; return its number and landmarks."""
    recording_id = uuid4()
    recordings.claim(
        database,
        recording_id,
        title="x",
        bucket="b",
        object_name=str(recording_id),
        generation=1,
        size_bytes=1,
        md5=None,
        content_type="audio/mpeg",
    )
    keys, frames = query_landmarks(made.peaks, 3, 1)
    chosen = slice(None) if as_rows else slice(0)
    number = postings.store(
        connection, recording_id, keys[chosen], frames[chosen], packed_segments(made.peaks), made.version
    )
    recordings.finish(connection, recording_id, MatchStatus.FINGERPRINTED, Reason.NEW, duration_seconds=made.seconds)
    return number, keys, frames


def load_chunk(database: Database, imitations: Iterator[Fingerprint]) -> tuple[float, int, float]:
    """Pack hours of imitations without the detour through rows; return hours, postings and seconds for these."""
    seconds, busy, parts = 0.0, 0.0, []
    with database.transaction() as connection:
        while seconds < CHUNK_HOURS * 3600:
            made = next(imitations)
            parts.append(add(connection, database, made, as_rows=False))
            seconds += made.seconds
        packed.lock(connection)
        started = time.perf_counter()
        numbers = np.concatenate([np.full(len(keys), number, np.int64) for number, keys, _ in parts])
        places = places_of(np.concatenate([keys for _, keys, _ in parts]))
        frames = np.concatenate([frames for _, _, frames in parts]).astype(np.int64)
        bits = block_bits(len(places))
        segment = packed.add_segment(connection, parts[0][0], parts[-1][0], bits, len(places))
        packing._write(connection, segment, parts[0][0], bits, places, numbers, frames)
        busy = time.perf_counter() - started
    return seconds / 3600, len(places), busy


def database_vacuum(url: str) -> None:
    """Do at once what autovacuum does within a minute, since hours are loaded here in seconds."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum packed_postings")


def load(database: Database, url: str, originals: list[Fingerprint], hours: float, most_seconds: float) -> None:
    """Bring the index to so many hours, or as far as the time goes."""
    rng = np.random.default_rng()
    imitations = (imitate(originals[i], rng) for i in iter(lambda: int(rng.integers(len(originals))), -1))
    begun = time.perf_counter()
    if postings.indexed_seconds(database) == 0:
        with database.transaction() as connection:
            added = [add(connection, database, made, as_rows=True) for made in originals]
        count, took = sum(len(keys) for _, keys, _ in added), time.perf_counter() - begun
        print(f"rows: {count} postings at {count / took:,.0f}/s, {postings.storage_bytes(database) / 1e6:.0f} MB")
        begun_packing = time.perf_counter()
        packing.pack_index(database)
        print(f"packed at {count / (time.perf_counter() - begun_packing):,.0f}/s")
    count, busy = 0, 0.0
    while postings.indexed_seconds(database) < hours * 3600 and time.perf_counter() - begun < most_seconds:
        _, more, took = load_chunk(database, imitations)
        started = time.perf_counter()
        packing.pack_index(database)
        database_vacuum(url)
        merging = time.perf_counter() - started
        count, busy = count + more, busy + took + merging
        print(
            f"{postings.indexed_seconds(database) / 3600:.0f} h: packed {took:.1f} s, merged {merging:.1f} s",
            flush=True,
        )
    if busy:
        print(f"bulk load with merging: {count / busy:,.0f} postings/s")


def server_seconds(cluster: Path) -> float:
    """Return the CPU time that the cluster's processes have used."""
    total = 0.0
    for process in psutil.process_iter(["name"]):
        try:
            if "postgres" in process.info["name"] and str(cluster) in process.cwd():
                times = process.cpu_times()
                total += times.user + times.system
        except psutil.Error:
            continue
    return total


def measure(database: Database, url: str, cluster: Path, queries: Path) -> None:
    """Print sizes and what 10 s queries cost, those that are found and those that are not."""
    hours = postings.indexed_seconds(database) / 3600
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum analyze packed_postings")
        tables = ("packed_postings", "recording_peaks")
        sizes = {t: connection.execute(f"select pg_total_relation_size('{t}')").fetchone()[0] for t in tables}  # type: ignore[index]
        segments = connection.execute("select postings, bits from packed_segments order by 1 desc").fetchall()
    print(
        f"{hours:.0f} h in segments {segments}; MB an hour: ", {t: round(s / 1e6 / hours, 2) for t, s in sizes.items()}
    )
    chosen = [q for q in map(json.loads, (queries / "queries.jsonl").open()) if q["len"] == 10]
    for negative in (False, True):
        some = [q for q in chosen if q["neg"] is negative][:: 1 if negative else 3]
        clips = [fingerprint(queries / q["file"]) for q in some]
        for clip in clips[:40]:
            find_matches(clip, PostgresIndex(database))
        wall, cpu, server, hits = [], [], server_seconds(cluster), 0
        for clip in clips:
            started, busy = time.perf_counter(), time.process_time()
            hits += bool(find_matches(clip, PostgresIndex(database)))
            wall.append(1e3 * (time.perf_counter() - started))
            cpu.append(1e3 * (time.process_time() - busy))
        server = 1e3 * (server_seconds(cluster) - server) / len(clips)
        print(
            f"10 s, {'nowhere' if negative else 'in the index'} ({len(clips)}, {hits} matched): wall ms p50, p95, p99",
            np.percentile(wall, [50, 95, 99]).round(), "client CPU", np.percentile(cpu, [50, 95]).round(),
            f"server CPU mean {server:.0f}", flush=True,
        )  # fmt: skip


def main() -> None:
    """Load, then measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("corpus", "queries", "cluster"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--hours", type=float, default=100.0)
    parser.add_argument("--most-seconds", type=float, default=200.0, help="stop loading after this; run again to go on")
    options = parser.parse_args()
    options.cluster.mkdir(exist_ok=True, parents=True)
    warm_up()
    with LocalPostgres(options.cluster / "pg") as server, Database(server.url) as database:
        migrate(database)
        originals = read_corpus(options.corpus)
        load(database, server.url, originals, options.hours, options.most_seconds)
        measure(database, server.url, options.cluster, options.queries)


if __name__ == "__main__":
    main()
