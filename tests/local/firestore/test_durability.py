"""Whole processes: what was acknowledged survives kill -9, and a full disk ends no server."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from google.api_core import exceptions
from google.cloud import firestore

from sonicgen.cloud.documents import close_client
from sonicgen.local.firestore.storage import Store
from sonicgen.local.firestore.threaded import ThreadedFirestore


@contextmanager
def served(database: Path) -> Iterator[tuple[subprocess.Popen[str], firestore.Client]]:
    """Run the server in a process of its own, with a client."""
    command = [sys.executable, "-m", "sonicgen.local.firestore", str(database)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FIRESTORE_EMULATOR_HOST", address)
            client = firestore.Client(project="test")
        try:
            yield process, client
        finally:
            process.kill()
            close_client(client)


def test_acknowledged_commits_survive_kill_9(tmp_path: Path) -> None:
    database = tmp_path / "documents.sqlite"
    acknowledged: dict[str, int] = {}

    def write(worker: int, client: firestore.Client) -> None:
        document = client.document(f"counters/w{worker}")
        for n in range(1, 100_000):
            try:
                batch = client.batch()
                batch.set(document, {"n": n})
                batch.set(client.document(f"pairs/w{worker}"), {"n": n})
                batch.commit(retry=None, timeout=5)
            except exceptions.GoogleAPICallError:
                return
            acknowledged[document.id] = n

    with served(database) as (process, client):
        threads = [threading.Thread(target=write, args=(worker, client)) for worker in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.8)
        process.send_signal(signal.SIGKILL)
        for thread in threads:
            thread.join()
    assert min(acknowledged.values()) > 5
    with served(database) as (_, client):
        for name, n in acknowledged.items():
            found = client.document(f"counters/{name}").get().get("n")
            # The last commit may have been written without an answer reaching us.
            assert found in {n, n + 1}
            assert client.document(f"pairs/{name}").get().get("n") == found
        client.document("counters/w0").set({"n": 0})


def test_a_restart_keeps_documents_and_the_clock_rising(tmp_path: Path) -> None:
    database = tmp_path / "documents.sqlite"
    store = Store(database)
    with store.transaction() as first:
        pass
    store.close()
    an_hour_back = Store(database, wall_clock=lambda: time.time() - 3600)
    assert an_hour_back.now() >= first
    with an_hour_back.transaction() as second:
        pass
    assert second > first
    time.sleep(0.02)
    assert an_hour_back.now() > second + 10_000  # it goes on from there: leases must still run out
    an_hour_back.close()


def test_a_wall_clock_that_is_set_does_not_move_the_times(tmp_path: Path) -> None:
    seconds = [1_000_000.0]
    store = Store(tmp_path / "documents.sqlite", wall_clock=lambda: seconds[0])
    first = store.now()
    seconds[0] += 7200
    with store.transaction() as later:
        assert first < later < first + 60_000_000
    seconds[0] -= 86_400
    assert later <= store.now() < first + 60_000_000
    store.close()


def test_a_full_disk_is_told_and_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadedFirestore(tmp_path / "documents.sqlite") as server:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", server.address)
        client = firestore.Client(project="test")
        client.document("a/before").set({"n": 1})
        limit_pages(server, 40)
        with pytest.raises(exceptions.ResourceExhausted):
            client.document("a/large").set({"text": "x" * 900_000}, retry=None, timeout=5)
        assert client.document("a/before").get().to_dict() == {"n": 1}
        assert not client.document("a/large").get().exists
        limit_pages(server, 1_000_000)
        client.document("a/large").set({"text": "x" * 900_000})
        assert client.document("a/large").get().exists
        close_client(client)


def limit_pages(server: ThreadedFirestore, pages: int) -> None:
    """Make sqlite meet the end of the disk where we want it: SQLITE_FULL, as with a real one."""
    engine = server.server._engine
    assert engine is not None
    connection = engine._store._connection
    server.run(engine._call(lambda: connection.execute(f"PRAGMA max_page_count = {pages}").fetchone()))


def test_a_file_lost_to_another_writer_is_unavailable_for_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = tmp_path / "documents.sqlite"
    monkeypatch.setattr("sonicgen.local.firestore.storage._BUSY_SECONDS", 0.05)
    with ThreadedFirestore(database) as server:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", server.address)
        client = firestore.Client(project="test")
        other = sqlite3.connect(database, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(exceptions.ServiceUnavailable):
            client.document("a/b").set({}, retry=None, timeout=5)
        other.execute("ROLLBACK")
        other.close()
        client.document("a/b").set({})
        close_client(client)


def test_the_loop_stays_free_while_the_disk_is_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def longest_pause(stop: asyncio.Event) -> float:
        longest = 0.0
        while not stop.is_set():
            start = time.perf_counter()
            await asyncio.sleep(0.002)
            longest = max(longest, time.perf_counter() - start)
        return longest

    database, slow_seconds = tmp_path / "documents.sqlite", 0.8
    with ThreadedFirestore(database) as server:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", server.address)
        client = firestore.Client(project="test")
        client.document("a/b").set({"n": 1})
        stop = asyncio.Event()
        watching = asyncio.run_coroutine_threadsafe(longest_pause(stop), server._loop)
        other = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        threading.Timer(slow_seconds, other.execute, ["ROLLBACK"]).start()
        start = time.perf_counter()
        client.document("a/b").set({"n": 2})
        assert time.perf_counter() - start > slow_seconds / 2  # the write did wait
        server._loop.call_soon_threadsafe(stop.set)
        assert watching.result(10) < slow_seconds / 2
        other.close()
        close_client(client)
