"""The server killed, without room, and under load."""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from google.api_core import exceptions
from google.cloud import storage

from sonicgen.errors import LocalError


def upload(port: int, name: str, data: bytes) -> bool:
    """Upload once, without trying again; say whether the server acknowledged it."""
    url = f"http://127.0.0.1:{port}/upload/storage/v1/b/some-bucket/o?uploadType=media&name={name}"
    try:
        return requests.post(url, data=data, timeout=5).status_code == 200
    except requests.RequestException:
        return False


def test_what_was_acknowledged_survives_kills(
    server_process: Callable[..., Any], connect: Callable[[int], storage.Client], tmp_path: Path
) -> None:
    server = server_process()
    bucket = connect(server.port).create_bucket("some-bucket")
    bucket.notification(topic_name="objects", payload_format="JSON_API_V1").create()
    contents: dict[str, bytes] = {}
    acknowledged: set[str] = set()
    stopped = threading.Event()

    def work(worker: int) -> None:
        source, index = random.Random(worker), 0  # noqa: S311  # bytes that can be told apart, no secrets
        while not stopped.is_set():
            name, index = f"{worker}-{index}", index + 1
            contents[name] = source.randbytes(source.choice([10, 5_000, 400_000]))
            if upload(server.port, name, contents[name]):
                acknowledged.add(name)

    workers = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for worker in workers:
        worker.start()
    for _ in range(4):
        time.sleep(0.3)
        server.restart()
    time.sleep(0.2)
    stopped.set()
    for worker in workers:
        worker.join()
    server.restart()

    assert len(acknowledged) > 50
    visible = {blob.name: blob for blob in bucket.list_blobs()}
    assert acknowledged <= visible.keys()
    for name, blob in visible.items():  # also one that was stored while the answer got lost
        assert blob.download_as_bytes() == contents[name]
    end = time.monotonic() + 10
    while not visible.keys() <= (told := {line["attributes"]["objectId"] for line in server.published()}):
        assert time.monotonic() < end, visible.keys() - told
        time.sleep(0.05)
    assert told == visible.keys()
    files = list((tmp_path / "storage" / "objects").iterdir())
    assert len(files) == len(visible)  # nothing half written is left


def test_a_full_disk_is_reported_and_leaves_nothing(
    server_process: Callable[..., Any], connect: Callable[[int], storage.Client], tmp_path: Path
) -> None:
    server = server_process({**os.environ, "TEST_FILE_LIMIT_BYTES": str(3 << 20)})
    bucket = connect(server.port).create_bucket("some-bucket")
    with pytest.raises(exceptions.GoogleAPICallError) as simple:
        bucket.blob("simple").upload_from_string(bytes(7 << 20))
    with pytest.raises(exceptions.GoogleAPICallError) as resumable:
        bucket.blob("resumable", chunk_size=1 << 20).upload_from_filename(_zeros(tmp_path, 12 << 20))
    assert (simple.value.code, resumable.value.code) == (507, 507)
    assert list(bucket.list_blobs()) == []
    bucket.blob("small").upload_from_string(b"fits")
    assert bucket.blob("small").download_as_bytes() == b"fits"
    assert len([path for path in (tmp_path / "storage" / "objects").iterdir() if path.suffix != ".part"]) == 1


def test_memory_stays_small(
    server_process: Callable[..., Any], connect: Callable[[int], storage.Client], tmp_path: Path
) -> None:
    server = server_process()
    bucket = connect(server.port).create_bucket("some-bucket")
    process, peak, done = psutil.Process(server.process.pid), 0, threading.Event()
    before = process.memory_info().rss

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    size, started = 500 << 20, time.monotonic()
    bucket.blob("big", chunk_size=64 << 20).upload_from_filename(_zeros(tmp_path, size), checksum=None)
    up = time.monotonic() - started
    url = f"{bucket.client.api_endpoint}/download/storage/v1/b/some-bucket/o/big"
    with requests.get(url, stream=True, timeout=30) as answer:
        received = sum(map(len, answer.iter_content(1 << 20)))
    down = time.monotonic() - started - up
    done.set()
    watcher.join()
    assert received == size
    print(f"up {size / up / 1e6:.0f} MB/s, down {size / down / 1e6:.0f} MB/s, {(peak - before) / 1e6:.0f} MB more")
    assert peak - before < 40 << 20


def _zeros(folder: Path, size_bytes: int) -> str:
    path = folder / "zeros"
    with path.open("wb") as file:
        file.truncate(size_bytes)
    return str(path)


def test_left_overs_are_swept_at_the_start(tmp_path: Path, serve: Callable[..., Any]) -> None:
    (tmp_path / "objects").mkdir()
    for name in ("0123", "4567.part"):
        (tmp_path / "objects" / name).write_bytes(b"x")
    with serve(tmp_path):
        assert list((tmp_path / "objects").iterdir()) == []


def test_a_stop_does_not_wait_for_a_silent_client(
    tmp_path: Path, serve: Callable[..., Any], connect: Callable[[int], storage.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sonicgen.local.storage.server._STOP_SECONDS", 0.2)
    with serve(tmp_path) as port:
        connect(port).create_bucket("some-bucket")
        connection = socket.create_connection(("127.0.0.1", port), timeout=5)
        path = "/upload/storage/v1/b/some-bucket/o?uploadType=media&name=a"
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n".encode())
        connection.sendall(bytes(3_000_000))
        time.sleep(0.1)
        started = time.monotonic()
    connection.close()
    assert time.monotonic() - started < 2
    assert list((tmp_path / "objects").iterdir()) == []


def test_a_taken_port_is_said(tmp_path: Path, serve: Callable[..., Any], port: int) -> None:
    with pytest.raises(LocalError, match="choose another port"), serve(tmp_path, port=port):
        pass


def test_a_folder_that_cannot_be_is_said(tmp_path: Path, serve: Callable[..., Any]) -> None:
    (tmp_path / "objects").write_bytes(b"a file where the folder should be")
    with pytest.raises(LocalError, match="cannot use its folder"), serve(tmp_path):
        pass
