"""What storing an hour of sound costs: as rows that are packed later, and packed as it comes."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from uuid import uuid4

import psycopg

from bench.fingerprint.server_cpu import server_cpu_seconds
from bench.harness import CORPUS, WORK, make_hour
from sonicgen.local.postgres import LocalPostgres
from sonicgen.sound.fingerprint import Fingerprint, fingerprint
from sonicgen.sound.landmarks import index_landmarks
from sonicgen.steps.pack_index import pack_directly, pack_index
from sonicgen.steps.search_index import packed_segments
from sonicgen.store import postings, recordings
from sonicgen.store.database import Database
from sonicgen.store.migrations import migrate

_ROUNDS = 3


def measure_storing() -> dict[str, str]:
    """Seconds, CPU of client and server, and postings a second for an hour-long recording, both ways in turn."""
    if not CORPUS.exists():
        return {"recordings": f"none at {CORPUS}"}
    hour = WORK / "hour.mp3"
    make_hour(hour)
    made = fingerprint(hour)
    count = len(postings.unique_landmarks(*index_landmarks(made.peaks))[0])
    ways = {"as rows, then packed": False, "packed as it comes": True}
    taken: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        server = LocalPostgres(Path(folder) / "postgres")
        server.start()
        try:
            with Database(server.url) as database:
                migrate(database)
                for _ in range(_ROUNDS):
                    for way, at_once in ways.items():
                        taken[way].append(_store(server, database, made, at_once=at_once))
        finally:
            server.stop()
    return {way: _say(count, rounds) for way, rounds in taken.items()} | {"postings": f"{count:,}"}


def _say(count: int, rounds: list[tuple[float, float]]) -> str:
    wall, cpu = (statistics.median(column) for column in zip(*rounds, strict=True))
    return f"{wall:.2f} s, {cpu:.2f} s of CPU, {count / wall:,.0f} postings a second"


def _store(server: LocalPostgres, database: Database, made: Fingerprint, *, at_once: bool) -> tuple[float, float]:
    """Store a recording anew, pack it and clear up behind it; return wall and CPU seconds."""
    recording_id = uuid4()
    recordings.claim(
        database, recording_id, title="hour", bucket="bench", object_name=str(recording_id), generation=1, size_bytes=1,
        md5=None, content_type=None,
    )  # fmt: skip
    found = index_landmarks(made.peaks)
    assert server.process is not None
    began, busy = time.perf_counter(), time.process_time() + server_cpu_seconds(server.process.pid)
    with database.transaction() as connection:
        landmarks = postings.unique_landmarks(*found)
        number = postings.enter(connection, recording_id, packed_segments(made.peaks), made.version)
        if not (at_once and pack_directly(connection, number, *landmarks, made.seconds)):
            postings.add_rows(connection, number, *landmarks)
    if not at_once:
        pack_index(database)
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("vacuum fingerprints")  # as autovacuum does behind a packing
    wall, cpu = time.perf_counter() - began, time.process_time() + server_cpu_seconds(server.process.pid) - busy
    with database.transaction() as connection:  # so that the next round has nothing to merge with
        recordings.delete(connection, recording_id)
    pack_index(database)
    return wall, cpu
