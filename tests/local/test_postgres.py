from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import psutil
import psycopg
import pytest

from sonicgen.errors import LocalError, UnavailableError
from sonicgen.local import postgres
from sonicgen.local.postgres import LocalPostgres
from sonicgen.store import postings, recordings
from sonicgen.store.database import Database
from sonicgen.store.migrations import migrate


@pytest.fixture
def folder() -> Iterator[Path]:
    """A place for a cluster in a folder that only its owner may enter, as a home folder is."""
    parent = Path(tempfile.mkdtemp(prefix="sonicgen-test-"))
    assert stat.S_IMODE(parent.stat().st_mode) == 0o700
    yield parent / "postgres"
    shutil.rmtree(parent)


@pytest.fixture(scope="module")
def fresh_cluster() -> Iterator[Path]:
    """A cluster that was never started, to copy: four times as quick as initdb."""
    parent = Path(tempfile.mkdtemp(prefix="sonicgen-test-"))
    postgres.prepare_cluster(parent / "postgres")
    yield parent / "postgres"
    shutil.rmtree(parent)


@pytest.fixture
def cluster(folder: Path, fresh_cluster: Path) -> Path:
    """A cluster of the test's own."""
    subprocess.run(["cp", "-a", fresh_cluster, folder], check=True)
    return folder


def count(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("select count(*) from kept").fetchone()
    assert row is not None
    return int(row[0])


def fill(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("create table kept as select generate_series(1, 1000) as n")


def test_starts_stops_and_keeps_its_data(folder: Path) -> None:
    with LocalPostgres(folder) as server:
        fill(server.url)
        assert server.url == postgres.database_url(folder)
        assert postgres.is_ready(server.url)
    assert not postgres.is_ready(server.url)
    with LocalPostgres(folder) as server:
        assert count(server.url) == 1000
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700  # nothing outside the cluster was opened


def test_is_durable_and_not_on_the_network(cluster: Path) -> None:
    with LocalPostgres(cluster) as server, psycopg.connect(server.url) as connection:
        for name, value in {
            "fsync": "on",
            "full_page_writes": "on",
            "synchronous_commit": "on",
            "listen_addresses": "",
            "server_encoding": "UTF8",
            "TimeZone": "UTC",
        }.items():
            assert connection.execute("select current_setting(%s)", (name,)).fetchone() == (value,)
        assert server.process is not None
        assert psutil.Process(server.process.pid).net_connections("inet") == []
        assert stat.S_IMODE(postgres.socket_folder(cluster).stat().st_mode) == 0o700


def test_a_killed_server_loses_nothing_that_was_committed(cluster: Path) -> None:
    with LocalPostgres(cluster) as server:
        fill(server.url)
        server.stop(signal.SIGKILL)
        assert (cluster / "postmaster.pid").exists()
        server.start()
        assert count(server.url) == 1000


def test_a_lock_file_whose_process_id_belongs_to_another_is_cleared(cluster: Path) -> None:
    with LocalPostgres(cluster) as server:
        server.stop(signal.SIGKILL)
    options = postgres.popen_options(cluster)
    with subprocess.Popen(["sleep", "60"], **options) as stranger:  # runs as the server's user: signals reach it
        try:
            for lock in (cluster / "postmaster.pid", postgres.socket_folder(cluster) / ".s.PGSQL.5432.lock"):
                lines = lock.read_text().splitlines()
                lock.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
            with LocalPostgres(cluster) as server:
                assert postgres.is_ready(server.url)
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_a_server_that_a_killed_owner_left_is_ended_first(cluster: Path) -> None:
    with LocalPostgres(cluster) as first:
        fill(first.url)
        with LocalPostgres(cluster) as second:
            assert first.process is not None
            assert first.process.wait(5) == 0
            assert count(second.url) == 1000


def test_a_server_that_cannot_start_says_so_at_once(cluster: Path) -> None:
    postgres.prepare_cluster(cluster)
    with (cluster / "postgresql.conf").open("a") as settings:
        settings.write("\nno_such_setting = 1\n")
    started = time.monotonic()
    with pytest.raises(LocalError, match="ended with code"), LocalPostgres(cluster):
        pass
    assert time.monotonic() - started < 10


def test_waiting_ends(folder: Path) -> None:
    with pytest.raises(LocalError, match=r"not ready within 0.1 s"):
        postgres.wait_ready(postgres.database_url(folder), 0.1)


def test_preparing_twice_and_at_once_makes_one_cluster(folder: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        for future in [pool.submit(postgres.prepare_cluster, folder) for _ in range(3)]:
            future.result()
    identity = (folder / "global" / "pg_control").stat().st_ino
    postgres.prepare_cluster(folder)
    assert (folder / "global" / "pg_control").stat().st_ino == identity


def test_an_interrupted_initdb_is_begun_anew(folder: Path) -> None:
    draft = Path(f"{folder}.new")
    draft.mkdir()
    (draft / "PG_VERSION").write_text("18\n")
    postgres.prepare_cluster(folder)
    assert not draft.exists()
    with LocalPostgres(folder) as server:
        assert postgres.is_ready(server.url)


def test_a_folder_with_something_else_in_it_is_left_alone(folder: Path) -> None:
    folder.mkdir()
    (folder / "diary.txt").write_text("mine")
    with pytest.raises(LocalError, match="cannot be made"):
        postgres.prepare_cluster(folder)
    assert (folder / "diary.txt").read_text() == "mine"


def test_a_cluster_of_another_version_is_refused(folder: Path) -> None:
    folder.mkdir()
    (folder / "PG_VERSION").write_text("16\n")
    with pytest.raises(LocalError, match="Postgres 16"):
        postgres.prepare_cluster(folder)


def test_a_long_path_gets_a_short_socket(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = folder.parent / ("d" * 100) / "a folder, with=signs%20 and spaces" / "postgres"
    sockets = postgres.socket_folder(deep)
    try:
        with LocalPostgres(deep) as server:
            fill(server.url)
            monkeypatch.setenv("TMPDIR", str(folder.parent))
            assert count(postgres.database_url(deep)) == 1000
            assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    finally:
        shutil.rmtree(sockets)


def test_somebody_elses_socket_folder_is_refused(folder: Path) -> None:
    deep = folder.parent / ("d" * 100) / "postgres"
    sockets = postgres.socket_folder(deep)
    sockets.symlink_to(folder.parent)
    try:
        with pytest.raises(LocalError, match="belongs to somebody else"):
            postgres.prepare_cluster(deep)
    finally:
        sockets.unlink()


def test_the_server_ends_with_its_parent(cluster: Path) -> None:
    script = f"""
import os, pathlib, signal
from sonicgen.local.postgres import LocalPostgres
server = LocalPostgres(pathlib.Path({str(cluster)!r}))
server.start()
print(server.process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    end = time.monotonic() + 10
    while psutil.pid_exists(int(done.stdout)) and time.monotonic() < end:
        time.sleep(0.02)
    assert "database system is shut down" in Path(f"{cluster}.log").read_text()


def test_killed_in_the_middle_of_a_store_nothing_is_half_written(cluster: Path) -> None:
    keys = np.arange(200_000, dtype=np.int32)
    known, half = uuid4(), uuid4()

    def store(recording_id: UUID, n: int, kill: bool = False) -> int:
        with database.transaction() as connection:
            number = postings.store(connection, recording_id, keys[:n], keys[:n], [(0, 0, b"x")], index_version=1)
            if kill:
                assert server.process is not None
                workers = psutil.Process(server.process.pid).children()
                server.stop(signal.SIGKILL)
                for worker in workers:
                    with suppress(psutil.NoSuchProcess):  # some end by themselves at once
                        worker.kill()
        return number

    with LocalPostgres(cluster) as server, Database(server.url) as database:
        migrate(database)
        for recording_id in (known, half):
            recordings.claim(
                database, recording_id, title="x", bucket="b", object_name="o", generation=1, size_bytes=1, md5=None,
                content_type=None,
            )  # fmt: skip
        number = store(known, 1000)
        with pytest.raises(UnavailableError):
            store(half, 200_000, kill=True)
        server.start()
        assert recordings.get(database, half).number is None
        assert postings.state(database).latest_number == number
        assert postings.peak_segments(database, [(number, 0, 1)])[0] == [(0, b"x")]
        with database.transaction() as connection:
            rows = connection.execute("select loc >> 24 as number, count(*) as n from fingerprints group by 1")
            assert rows.fetchall() == [{"number": number, "n": 1000}]
            assert connection.execute("select video_id from recording_peaks").fetchall() == [{"video_id": known}]
        assert store(half, 10) > number


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
def test_root_runs_it_as_a_user_of_its_own(cluster: Path) -> None:
    with LocalPostgres(cluster) as server:
        assert server.process is not None
        assert psutil.Process(server.process.pid).username() == postgres.SYSTEM_USER
        assert cluster.owner() == postgres.SYSTEM_USER
        assert not any(path.owner() == postgres.SYSTEM_USER for path in cluster.parent.iterdir() if path != cluster)
