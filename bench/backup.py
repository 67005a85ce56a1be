"""A real index: brought in by a backfill, exported, imported elsewhere, and heard anew by another version while
asked."""

from __future__ import annotations

import csv
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import numpy as np
import psycopg
from numpy.typing import NDArray

from bench.harness import CORPUS
from bench.system import embedded
from sonicgen.domain.backfill import Backfill, Limits
from sonicgen.domain.match import Decision
from sonicgen.settings import read_settings
from sonicgen.sound import versions
from sonicgen.sound.decode import Decoder
from sonicgen.sound.fingerprint import Fingerprinter
from sonicgen.sound.spectrum import SAMPLE_RATE_HZ
from sonicgen.sound.versions import Algorithm
from sonicgen.steps.backfill import begin_files, begin_refingerprint, run_backfill
from sonicgen.steps.find_clip import find_fingerprint
from sonicgen.steps.move_index import export_index, import_index
from sonicgen.steps.pack_index import pack_index
from sonicgen.steps.search_versions import versions_wanted
from sonicgen.steps.services import Services
from sonicgen.store import postings
from sonicgen.store.database import Database
from sonicgen.store.migrations import migrate

_WORKERS = 2
_CLIP_SECONDS = 10
_AT_SECONDS = 30
_EVERY_NTH = 3


def measure_backup(share: float = 1.0) -> dict[str, str]:
    """Seconds and bytes for an hour of sound: backfill, export, import, and a change of the algorithm's version."""
    if not (CORPUS / "manifest.csv").exists():
        return {"recordings": f"none at {CORPUS}"}
    with (CORPUS / "manifest.csv").open() as manifest:
        files = [CORPUS / row["file"] for row in csv.DictReader(manifest) if row["role"] == "db"]
    files = files[:: round(1 / share)]
    with tempfile.TemporaryDirectory() as folder, _quiet(), embedded(Path(folder) / "data") as (_, services):
        listed = Path(folder) / "recordings.txt"
        listed.write_text("".join(f"{file}\n" for file in files))
        figures, hours = _bring_in(services, listed)
        clips = [_clip(file) for file in files[::_EVERY_NTH]]
        figures |= _move(services, Path(folder), hours, clips)
        return figures | _hear_anew(services, hours, clips)


@contextmanager
def _quiet() -> Iterator[None]:
    """Nothing but fingerprints is made inside the block."""
    before = {name: os.environ.get(name) for name in ("SONICGEN_TRANSCRIPTION", "SONICGEN_EMBEDDER")}
    os.environ.update(dict.fromkeys(before, "off"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def _bring_in(services: Services, listed: Path) -> tuple[dict[str, str], float]:
    begun = begin_files(services, str(listed), Limits())
    started = time.monotonic()
    command = [sys.executable, "-m", "sonicgen.jobs.backfill", str(begun.id)]
    told = {"CLOUD_RUN_TASK_COUNT": str(_WORKERS), "SONICGEN_LOG_LEVEL": "WARNING"}
    processes = [
        subprocess.Popen(command, env={**os.environ, **told, "CLOUD_RUN_TASK_INDEX": str(index)})
        for index in range(_WORKERS)
    ]
    for process in processes:
        process.wait()
    seconds = time.monotonic() - started
    ended = run_backfill(services, begun.id, "bench")
    hours = postings.indexed_seconds(services.database) / 3600
    return {
        "backfill": f"{_describe(ended)} in {seconds:.0f} s with {_WORKERS} workers, "
        f"{seconds / (ended.seconds / 3600):.1f} s an hour of sound",
        "index": f"{hours:.2f} h",
    }, hours


def _describe(ended: Backfill) -> str:
    return f"{ended.done} done, {ended.known} known, {ended.failed} failed, {ended.seconds / 3600:.2f} h"


def _move(services: Services, folder: Path, hours: float, clips: list[NDArray[np.float32]]) -> dict[str, str]:
    pack_index(services.database)
    started = time.monotonic()
    exported = export_index(services, folder / "index.tar", with_voices=True)
    export_seconds = time.monotonic() - started
    with psycopg.connect(services.settings.require_database_url(), autocommit=True) as connection:
        connection.execute("create database elsewhere")
    url = services.settings.require_database_url().replace("///postgres?", "///elsewhere?")
    with Database(url) as database:
        migrate(database)
    other = Services(read_settings(database_url=url))
    try:
        started = time.monotonic()
        import_index(other, folder / "index.tar")
        import_seconds = time.monotonic() - started
        again = export_index(other, folder / "again.tar", with_voices=True)
        is_same = {n: s.to_json() for n, s in exported.tables.items()} == {
            n: s.to_json() for n, s in again.tables.items()
        }
        answers = [[_answers(one, clip) for clip in clips] for one in (services, other)]
    finally:
        other.close()
    return {
        "export": f"{export_seconds:.2f} s, {exported.size_bytes / 1e6:.2f} MB: {export_seconds / hours:.2f} s and "
        f"{exported.size_bytes / hours / 1e6:.2f} MB an hour of sound",
        "import": f"{import_seconds:.2f} s: {import_seconds / hours:.2f} s an hour of sound",
        "largest memory": f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB resident",
        "round trip": f"rows and hashes {'the same' if is_same else 'DIFFER'}; answers to {len(clips)} clips "
        f"{'the same' if answers[0] == answers[1] else 'DIFFER'}, {sum(map(bool, answers[0]))} found",
    }


def _hear_anew(services: Services, hours: float, clips: list[NDArray[np.float32]]) -> dict[str, str]:
    """Change to a version with fewer peaks, one worker, while one client asks without a pause."""
    known = cast(dict[int, Algorithm], versions.ALGORITHMS)
    expected = [{identifier for identifier, *_ in _answers(services, clip)} for clip in clips]
    before = [_timed(services, clip)[1] for clip in clips]
    ended = threading.Event()
    during: list[float] = []
    wrong = 0

    def ask() -> None:
        nonlocal wrong
        while not ended.is_set():
            for clip, wanted in zip(clips, expected, strict=True):
                found, seconds = _timed(services, clip)
                during.append(seconds)
                wrong += not wanted <= {identifier for identifier, *_ in found}

    known[2] = Algorithm(2, peaks_kept=18)
    thread = threading.Thread(target=ask)
    try:
        thread.start()
        started = time.monotonic()
        done = run_backfill(services, begin_refingerprint(services, Limits()).id, "bench")
        seconds = time.monotonic() - started
    finally:
        ended.set()
        thread.join()
        counted = postings.counts_by_version(services.database)
        del known[2]
    return {
        "heard anew": f"{_describe(done)} in {seconds:.0f} s with one worker, {seconds / hours:.1f} s an hour of sound",
        "finds meanwhile": f"{len(during)}, {wrong} without an expected recording; median {_ms(during)}, before "
        f"{_ms(before)}; versions then: {counted}",
    }


def _ms(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1000:.0f} ms"


def _timed(services: Services, clip: NDArray[np.float32]) -> tuple[list[tuple[object, ...]], float]:
    started = time.perf_counter()
    found = _answers(services, clip)
    return found, time.perf_counter() - started


def _answers(services: Services, clip: NDArray[np.float32]) -> list[tuple[object, ...]]:
    maker = Fingerprinter(versions_wanted(services.database))
    maker.feed(clip)
    found = find_fingerprint(services, maker.finish())
    return [
        (one.recording.id, one.match.reference_start_seconds, one.match.score)
        for one in found
        if one.match.decision is Decision.MATCH
    ]


def _clip(file: Path) -> NDArray[np.float32]:
    """Return ten seconds of a recording from its thirtieth on, or its beginning."""
    blocks, samples = [], 0
    for block in Decoder(file):
        blocks.append(block)
        samples += len(block)
        if samples > (_AT_SECONDS + _CLIP_SECONDS) * SAMPLE_RATE_HZ:
            break
    sound = np.concatenate(blocks)
    first = min(_AT_SECONDS * SAMPLE_RATE_HZ, max(0, len(sound) - _CLIP_SECONDS * SAMPLE_RATE_HZ))
    return sound[first : first + _CLIP_SECONDS * SAMPLE_RATE_HZ]
