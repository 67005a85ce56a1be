"""Adapter for the fingerprint harness: SonicGen on its index in Postgres, in a cluster of its own.

Run with the harness's own run.py, this folder on PYTHONPATH: `python -m bench accuracy` does (see docs/benchmarks.md).
Indexing is what an upload costs (decode, fingerprint, store) and packing; the server's CPU time counts in every figure.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path
from uuid import uuid4

import psycopg
from base import Hit  # type: ignore[import-not-found]  # the harness's
from server_cpu import server_cpu_seconds  # type: ignore[import-not-found]  # beside this file

from sonicgen.domain.match import Decision
from sonicgen.domain.recording import MatchStatus, Reason
from sonicgen.local.postgres import LocalPostgres
from sonicgen.match.search import find_matches, warm_up
from sonicgen.sound.fingerprint import fingerprint
from sonicgen.steps.pack_index import pack_index
from sonicgen.steps.search_index import PostgresIndex
from sonicgen.steps.store_fingerprint import store_fingerprint
from sonicgen.store import packed, postings, recordings
from sonicgen.store.database import Database
from sonicgen.store.migrations import migrate

BESIDE_POSTINGS = ("packed_segments", "recording_peaks")


class Adapter:
    """What the harness calls."""

    def __init__(self) -> None:
        warm_up()
        folder = Path(tempfile.mkdtemp(prefix="sonicgen-bench-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        self._server = LocalPostgres(folder / "postgres")
        self._server.start()
        atexit.register(self._server.stop)
        self._database = Database(self._server.url)
        atexit.register(self._database.close)
        migrate(self._database)
        self._names: dict[int, str] = {}
        self.info: dict[str, float] = {}

    def index(self, paths: dict[str, str]) -> None:
        """Fingerprint and store the files, then pack the index as maintenance does."""
        began = self.extra_cpu()
        peaks = 0
        for name, path in paths.items():
            made = fingerprint(path)
            identifier = uuid4()
            recordings.claim(
                self._database,
                identifier,
                title=name,
                bucket="bench",
                object_name=name,
                generation=1,
                size_bytes=Path(path).stat().st_size,
                md5=None,
                content_type=None,
            )
            with self._database.transaction() as connection:
                number = store_fingerprint(connection, identifier, made.peaks, made.version, made.seconds)
                recordings.finish(
                    connection, identifier, MatchStatus.FINGERPRINTED, Reason.NEW, duration_seconds=made.seconds
                )
            self._names[number] = name
            peaks += len(made.peaks)
        pack_index(self._database)
        self._settle()
        seconds = postings.indexed_seconds(self._database)
        with self._database.transaction() as connection:
            landmarks = sum(segment.postings for segment in packed.segments(connection))
        self.info = {
            "hashes_per_s": landmarks / seconds,
            "peaks_per_s": peaks / seconds,
            "server_cpu_s": self.extra_cpu() - began,
        }

    def query(self, path: str) -> list[Hit]:
        """Return the hits, best first; the offset is the item's time at query time 0."""
        return [
            Hit(
                self._names[match.recording],
                match.reference_start_seconds - match.speed * match.query_start_seconds,
                -match.log10_chance,
                match.decision is Decision.MATCH,
            )
            for match in find_matches(fingerprint(path), PostgresIndex(self._database))
        ]

    def index_bytes(self) -> int:
        """Return what the postings and peaks take on disk with all their indexes."""
        with psycopg.connect(self._server.url) as connection:
            statement = "select coalesce(sum(pg_total_relation_size(name::regclass)), 0) from unnest(%s::text[]) name"
            row = connection.execute(statement, (list(BESIDE_POSTINGS),)).fetchone()
        assert row is not None
        return postings.storage_bytes(self._database) + int(row[0])

    def extra_cpu(self) -> float:
        """Return the CPU seconds that the server's processes have used."""
        assert self._server.process is not None
        return float(server_cpu_seconds(self._server.process.pid))

    def _settle(self) -> None:
        """Free the rows that were moved, as autovacuum does within minutes of packing, and their emptied index.

        Without the latter the index keeps its pages for the rows to come: 32 MB after these 3 hours, and
        no more however many hours follow, as long as packing keeps up.
        """
        with psycopg.connect(self._server.url, autocommit=True) as connection:
            connection.execute("vacuum (analyze)")
            connection.execute("reindex table fingerprints")
