"""Cloud Storage through the real client, against the embedded server."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sonicgen.cloud import objects
from sonicgen.errors import ConflictError, InputError, NotFoundError, UnavailableError
from sonicgen.local.storage import StorageServer


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server in a thread of its own."""
    loop, ports, stop = asyncio.new_event_loop(), [], asyncio.Event()
    ready = threading.Event()

    async def serve() -> None:
        server = StorageServer(tmp_path_factory.mktemp("storage"))
        ports.append(await server.start())
        ready.set()
        await stop.wait()
        await server.stop()
        await loop.shutdown_default_executor()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    yield ports[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


@pytest.fixture
def bucket(port: int, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[str]:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    name = f"bucket-{abs(hash(request.node.name)):x}"
    objects.ensure_bucket(name)
    yield name
    objects._client().close()
    objects._client_for.cache_clear()


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An address that nobody listens on, given up on quickly."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{free.getsockname()[1]}")
        monkeypatch.setattr(objects, "RETRY_SECONDS", 0.2)
        yield
    objects._client().close()
    objects._client_for.cache_clear()


def write(folder: Path, data: bytes) -> Path:
    path = folder / "sound.bin"
    path.write_bytes(data)
    return path


def test_an_upload_describes_what_it_stored(bucket: str, tmp_path: Path) -> None:
    path = write(tmp_path, b"sound")
    stored = objects.upload_file(bucket, "a b/\u00e9.mp3", path, content_type="audio/mpeg", metadata={"k": "v"})
    assert stored.created
    assert (stored.size_bytes, stored.content_type) == (5, "audio/mpeg")
    assert objects.describe_object(bucket, "a b/\u00e9.mp3") == stored
    assert objects.describe_object(bucket, "a b/\u00e9.mp3", stored.generation) == stored
    with objects.open_object(bucket, "a b/\u00e9.mp3", stored.generation) as stream:
        assert stream.read() == b"sound"


def test_progress_rises_to_the_end(bucket: str, tmp_path: Path) -> None:
    path = write(tmp_path, b"")
    size = objects.UPLOAD_CHUNK_BYTES * 2 + 5
    os.truncate(path, size)
    seen: list[tuple[int, int]] = []
    objects.upload_file(bucket, "a", path, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1] == (size, size)
    assert (objects.UPLOAD_CHUNK_BYTES, size) in seen


def test_the_same_bytes_again_are_found_stored(bucket: str, tmp_path: Path) -> None:
    path = write(tmp_path, b"sound")
    first = objects.upload_file(bucket, "a", path)
    again = objects.upload_file(bucket, "a", path)
    assert (again.created, again.generation) == (False, first.generation)


def test_other_bytes_are_a_conflict(bucket: str, tmp_path: Path) -> None:
    objects.upload_file(bucket, "a", write(tmp_path, b"sound"))
    for other in (b"noise", b"more sound"):
        with pytest.raises(ConflictError, match="something else"):
            objects.upload_file(bucket, "a", write(tmp_path, other))
    with objects.open_object(bucket, "a") as stream:
        assert stream.read() == b"sound"


def test_a_composed_object_is_compared_by_crc32c(bucket: str, tmp_path: Path) -> None:
    objects.upload_file(bucket, "part", write(tmp_path, b"so"))
    handle = objects._client().bucket(bucket)
    handle.blob("whole").compose([handle.blob("part"), handle.blob("part")])
    assert not objects.upload_file(bucket, "whole", write(tmp_path, b"soso")).created
    with pytest.raises(ConflictError):
        objects.upload_file(bucket, "whole", write(tmp_path, b"osos"))


def test_a_stream_is_read_like_a_file(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "READ_CHUNK_BYTES", 1000)
    data = os.urandom(25_000)
    path = write(tmp_path, data)
    objects.upload_file(bucket, "a", path)
    with objects.open_object(bucket, "a") as stream, path.open("rb") as file:
        assert stream.seekable()
        for offset, whence, count in (
            (0, 0, 10), (5, 0, 2000), (-20, 1, 30), (12_000, 0, 1), (999, 1, 5), (-1, 2, 5), (0, 2, 5),
            (3, 0, 0), (24_000, 0, 5000), (10, 0, 3), (13, 0, 3), (500, 1, 400), (1200, 1, 400), (20, 0, -1),
        ):  # fmt: skip
            assert stream.seek(offset, whence) == file.seek(offset, whence)
            assert stream.read(count) == file.read(count)
            assert stream.tell() == file.tell()


def test_a_stream_stays_with_its_generation(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "READ_CHUNK_BYTES", 1000)
    objects.upload_file(bucket, "a", write(tmp_path, bytes(5000)))
    with objects.open_object(bucket, "a") as stream:
        assert stream.read(10) == bytes(10)
        objects.delete_object(bucket, "a")
        objects.upload_file(bucket, "a", write(tmp_path, b"x" * 5000))
        with pytest.raises(NotFoundError):
            stream.read(4000)
        assert isinstance(stream.error, NotFoundError)
        stream.seek(0)
        with pytest.raises(NotFoundError):
            stream.read(1)
        with pytest.raises(NotFoundError):
            stream.raise_error()
    with pytest.raises(NotFoundError):
        objects.open_object(bucket, "a", stream.stored.generation)


def test_missing_objects(bucket: str) -> None:
    with pytest.raises(NotFoundError, match="There is no gs://"):
        objects.describe_object(bucket, "nothing")
    with pytest.raises(NotFoundError):
        objects.open_object("no-such-bucket", "nothing")
    with pytest.raises(NotFoundError):
        objects.delete_object(bucket, "nothing")
    objects.delete_object(bucket, "nothing", missing_ok=True)
    with pytest.raises(NotFoundError):
        list(objects.list_objects("no-such-bucket"))


def test_uploads_that_can_never_work(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        objects.upload_file(bucket, "a", tmp_path / "nothing")
    with pytest.raises(InputError):
        objects.upload_file(bucket, "n" * 1025, write(tmp_path, b"x"))
    with pytest.raises(NotFoundError):
        objects.upload_file("no-such-bucket", "a", write(tmp_path, b"x"))


def test_listing(bucket: str, tmp_path: Path) -> None:
    for name in ("a/1", "a/2", "b/1"):
        objects.upload_file(bucket, name, write(tmp_path, name.encode()))
    assert [stored.name for stored in objects.list_objects(bucket)] == ["a/1", "a/2", "b/1"]
    assert [stored.name for stored in objects.list_objects(bucket, "a/")] == ["a/1", "a/2"]


def test_a_bucket_is_ensured_twice(bucket: str) -> None:
    objects.ensure_bucket(bucket)


def test_a_service_that_does_not_answer(nowhere: None, tmp_path: Path) -> None:
    path = write(tmp_path, b"x")
    for call in (
        lambda: objects.describe_object("some-bucket", "a"),
        lambda: objects.upload_file("some-bucket", "a", path),
        lambda: objects.delete_object("some-bucket", "a", missing_ok=True),
        lambda: list(objects.list_objects("some-bucket")),
        lambda: objects.ensure_bucket("some-bucket"),
    ):
        with pytest.raises(UnavailableError):
            call()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InputError),
        (401, UnavailableError),
        (403, UnavailableError),
        (404, NotFoundError),
        (412, ConflictError),
        (429, UnavailableError),
        (503, UnavailableError),
        (507, UnavailableError),
    ],
)
def test_every_status_has_its_error(status: int, kind: type[Exception]) -> None:
    assert type(objects._by_status(status, "gs://b/a", "why")) is kind
