"""Resumable uploads of the real client, and of clients that break off."""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from google.api_core import exceptions
from google.cloud import storage
from google.cloud.storage._media.requests import ResumableUpload

CHUNK_BYTES = 256 * 1024


def begin(bucket: storage.Bucket, name: str, query: str = "", **headers: str) -> str:
    """Begin a session by hand; return its address."""
    url = f"{bucket.client.api_endpoint}/upload/storage/v1/b/{bucket.name}/o?uploadType=resumable&name={name}{query}"
    answer = requests.post(url, json={"contentType": "audio/mpeg"}, headers=headers, timeout=5)
    assert answer.status_code == 200, answer.text
    return answer.headers["location"]


def put(session: str, data: bytes, content_range: str, **headers: str) -> requests.Response:
    """Send bytes to a session."""
    headers = {"content-range": content_range} | headers
    return requests.put(session, data=data, headers=headers, timeout=5, allow_redirects=False)


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 5 * CHUNK_BYTES, 3_000_001])
def test_chunked_uploads_of_any_length(bucket: storage.Bucket, size: int) -> None:
    data = os.urandom(size)
    blob = bucket.blob("of known length", chunk_size=CHUNK_BYTES)
    blob.upload_from_file(io.BytesIO(data), content_type="audio/mpeg", checksum="crc32c")
    assert (blob.size, blob.download_as_bytes(), blob.content_type) == (size, data, "audio/mpeg")
    with bucket.blob("of unknown length", chunk_size=CHUNK_BYTES).open("wb") as stream:
        stream.write(data)
    assert bucket.blob("of unknown length").download_as_bytes() == data


def test_conditions_hold_from_beginning_to_end(bucket: storage.Bucket) -> None:
    late = begin(bucket, "a", "&ifGenerationMatch=0")
    bucket.blob("a").upload_from_string(b"first")
    assert put(late, b"late", "bytes 0-3/4").status_code == 412
    assert put(late, b"late", "bytes 0-3/4").status_code == 404  # it is over
    assert bucket.blob("a").download_as_bytes() == b"first"
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("a", chunk_size=CHUNK_BYTES).upload_from_file(io.BytesIO(b"x"), if_generation_match=0)


def test_progress_and_completion_can_be_asked_for(bucket: storage.Bucket) -> None:
    session = begin(bucket, "a")
    nothing = put(session, b"", "bytes */*")
    assert (nothing.status_code, "range" in nothing.headers) == (308, False)
    assert put(session, b"x" * CHUNK_BYTES, f"bytes 0-{CHUNK_BYTES - 1}/*").headers["range"] == "bytes=0-262143"
    assert put(session, b"", f"bytes */{CHUNK_BYTES + 2}").headers["range"] == "bytes=0-262143"
    assert not bucket.blob("a").exists()
    done = put(session, b"yz", f"bytes {CHUNK_BYTES}-{CHUNK_BYTES + 1}/{CHUNK_BYTES + 2}")
    assert (done.status_code, done.json()["size"]) == (200, str(CHUNK_BYTES + 2))
    for again in (put(session, b"", "bytes */*"), put(session, b"yz", f"bytes {CHUNK_BYTES}-{CHUNK_BYTES + 1}/*")):
        assert again.json() == done.json()
    assert bucket.blob("a").download_as_bytes() == b"x" * CHUNK_BYTES + b"yz"


def test_a_repeated_chunk_counts_once(bucket: storage.Bucket) -> None:
    session = begin(bucket, "a")
    put(session, b"0123456789", "bytes 0-9/*")
    assert put(session, b"0123456789", "bytes 0-9/*").headers["range"] == "bytes=0-9"
    assert put(session, b"56789abcde", "bytes 5-14/15").status_code == 200
    assert bucket.blob("a").download_as_bytes() == b"0123456789abcde"


@pytest.mark.parametrize("wrong", ["bytes 5-9/10", "bytes 0-99/100", "0-4", "bytes 0-4/2", "bytes a-b/c"])
def test_wrong_ranges(bucket: storage.Bucket, wrong: str) -> None:
    assert put(begin(bucket, "a"), b"01234", wrong).status_code == 400
    assert not bucket.blob("a").exists()


def test_wrong_hashes_at_the_end(bucket: storage.Bucket) -> None:
    session = begin(bucket, "a")
    put(session, b"01234", "bytes 0-4/*")
    wrong = put(session, b"56789", "bytes 5-9/10", **{"x-goog-hash": "crc32c=AAAAAA=="})
    assert (wrong.status_code, "doesn't match" in wrong.text) == (400, True)
    assert not bucket.blob("a").exists()


def test_a_cancelled_session_is_over(bucket: storage.Bucket) -> None:
    session = begin(bucket, "a")
    put(session, b"01234", "bytes 0-4/*")
    assert requests.delete(session, timeout=5).status_code == 499
    assert put(session, b"", "bytes */*").status_code == 404


def break_off(session: str, data: bytes, declared: int) -> socket.socket:
    """Send a part of a chunk and no more; return the connection."""
    parts = urlsplit(session)
    connection = socket.create_connection((parts.hostname, parts.port or 80), timeout=5)
    head = (
        f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: {declared}\r\n"
        f"Content-Range: bytes 0-{declared - 1}/{declared}\r\n\r\n"
    )
    connection.sendall(head.encode() + data)
    return connection


def test_a_broken_connection_is_resumed(bucket: storage.Bucket) -> None:
    data = os.urandom(3_000_000)
    session = begin(bucket, "a")
    break_off(session, data[:2_000_000], len(data)).close()
    answer = put(session, b"", f"bytes */{len(data)}")
    assert answer.status_code == 308
    have = int(answer.headers["range"].partition("-")[2]) + 1
    assert 0 < have <= 2_000_000
    done = put(session, data[have:], f"bytes {have}-{len(data) - 1}/{len(data)}")
    assert done.status_code == 200
    assert bucket.blob("a").download_as_bytes() == data


def test_a_silent_connection_gives_way_to_a_new_one(bucket: storage.Bucket) -> None:
    data = os.urandom(3_000_000)
    session = begin(bucket, "a")
    with break_off(session, data[:1_000_000], len(data)):
        assert put(session, data, f"bytes 0-{len(data) - 1}/{len(data)}").status_code == 200
    assert bucket.blob("a").download_as_bytes() == data


def test_a_broken_simple_upload_leaves_nothing(bucket: storage.Bucket, folder: Any) -> None:
    before = set((folder / "objects").iterdir())
    endpoint = urlsplit(bucket.client.api_endpoint)
    with socket.create_connection((endpoint.hostname, endpoint.port or 80), timeout=5) as connection:
        path = f"/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=a"
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n"
        connection.sendall(head.encode() + bytes(2_000_000))
    bucket.blob("other").upload_from_string(b"x")
    assert not bucket.blob("a").exists()
    for _ in range(100):
        if len(set((folder / "objects").iterdir()) - before) == 1:
            break
        requests.get(f"{bucket.client.api_endpoint}/storage/v1/b", timeout=5)
    assert len(set((folder / "objects").iterdir()) - before) == 1


def test_the_client_goes_on_after_the_server_was_killed(
    server_process: Callable[..., Any], connect: Callable[[int], storage.Client]
) -> None:
    server = server_process()
    client = connect(server.port)
    bucket = client.create_bucket("some-bucket")
    data = os.urandom(CHUNK_BYTES * 8 + 17)
    upload = ResumableUpload(
        f"{client.api_endpoint}/upload/storage/v1/b/some-bucket/o?uploadType=resumable", CHUNK_BYTES
    )
    upload.initiate(client._http, io.BytesIO(data), {"name": "a"}, "audio/mpeg")
    for _ in range(3):
        upload.transmit_next_chunk(client._http)
    server.restart()
    while not upload.finished:
        upload.transmit_next_chunk(client._http)
    assert bucket.blob("a").download_as_bytes() == data


def test_broken_multipart_bodies(bucket: storage.Bucket) -> None:
    url = f"{bucket.client.api_endpoint}/upload/storage/v1/b/{bucket.name}/o?uploadType=multipart"
    whole = (
        b'--B\r\nContent-Type: application/json\r\n\r\n{"name": "a"}\r\n--B\r\nContent-Type: x/y\r\n\r\ndata\r\n--B--'
    )
    headers = {"content-type": "multipart/related; boundary=B"}
    for end in range(0, len(whole) - 2, 7):
        assert requests.post(url, data=whole[:end], headers=headers, timeout=5).status_code == 400, whole[:end]
    assert requests.post(url, data=whole, headers={"content-type": "text/plain"}, timeout=5).status_code == 400
    assert not bucket.blob("a").exists()
    assert requests.post(url, data=whole + b"\r\n", headers=headers, timeout=5).json()["contentType"] == "x/y"
    assert bucket.blob("a").download_as_bytes() == b"data"


def test_data_that_looks_like_a_boundary(bucket: storage.Bucket) -> None:
    data = (b"\r\n--" * 50_000) + b"\r\n--=====" * 1000 + b"\r\n"
    bucket.blob("a").upload_from_string(data)
    assert bucket.blob("a").download_as_bytes() == data
