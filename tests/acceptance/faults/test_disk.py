"""A disk that is really full: Postgres on a small file system of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from sonicgen.errors import UnavailableError
from sonicgen.local.postgres import LocalPostgres
from sonicgen.store import postings, recordings
from sonicgen.store.database import Database
from sonicgen.store.migrations import migrate

SIZE_MB = 180  # a cluster, its first log files, and little more
LANDMARKS = 20_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system in memory of SIZE_MB; where nobody may mount one, the sizes of files are tested alone."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("only root may mount a small disk; tests/local has full disks by size limits")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def _store(database: Database) -> None:
    identifier = uuid4()
    chance = np.random.default_rng(identifier.int % 2**32)
    keys = chance.integers(0, 2**20, LANDMARKS).astype(np.int32)
    frames = np.arange(LANDMARKS, dtype=np.int32)
    recordings.claim(
        database, identifier, title="piece", bucket="b", object_name=str(identifier), generation=1, size_bytes=1,
        md5=None, content_type=None,
    )  # fmt: skip
    with database.transaction() as connection:
        postings.store(connection, identifier, keys, frames, [(0, 0, b"peaks")], index_version=1)


def _store_until_it_fails(database: Database) -> int:
    for stored in range(200):
        try:
            _store(database)
        except UnavailableError:
            return stored
    raise AssertionError("the disk is not full")


def _held(database: Database) -> tuple[int, int]:
    """Return how many recordings have a number, and how many postings there are."""
    with database.transaction() as connection:
        row = connection.execute(
            "select (select count(*) from videos where number is not null) as numbered, "
            "(select count(*) from fingerprints) as postings"
        ).fetchone()
    assert row is not None
    return row["numbered"], row["postings"]


def test_a_full_disk_loses_nothing_that_was_committed(small_disk: Path) -> None:
    filler = small_disk / "filler"
    stored = 0
    with LocalPostgres(small_disk / "postgres") as server:
        with Database(server.url) as database:
            migrate(database)
            _store(database)
            stored += 1
            free = int(subprocess.run(
                ["df", "--output=avail", "-k", str(small_disk)], capture_output=True, text=True, check=True
            ).stdout.split()[1])  # fmt: skip
            subprocess.run(
                ["dd", "if=/dev/zero", f"of={filler}", "bs=1k", f"count={max(0, free - 1_500)}"],
                capture_output=True, check=True,
            )  # fmt: skip
            stored += _store_until_it_fails(database)
        filler.unlink()
    with LocalPostgres(small_disk / "postgres") as server, Database(server.url) as database:
        numbered, held = _held(database)
        assert numbered in (stored, stored + 1), "the last one's answer may have been lost"
        assert held == numbered * LANDMARKS
        _store(database)
        assert _held(database) == (numbered + 1, (numbered + 1) * LANDMARKS)
