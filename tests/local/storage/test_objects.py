"""What the real client sees of objects."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import google_crc32c
import pytest
import requests
from google.api_core import exceptions
from google.cloud import storage

NASTY_NAMES = [
    "plain.mp3",
    "a b/c  d.mp3",
    'it\'s "quoted" `here`.mp3',
    "100%/50%25/%2e%2e/%00",
    "a/b/c/d",
    "/leading/and/trailing/",
    "a//b",
    "../../../etc/passwd",
    "..%2f..%2fetc",
    "...",
    "\N{LATIN SMALL LETTER E WITH ACUTE}/\u4e2d\u6587/\u05e2\u05d1",
    "\N{MICROPHONE}\N{ZERO WIDTH JOINER}\N{HEADPHONE}.wav",
    "e\u0301 is not \u00e9",
    "question?mark#fragment&and=equals+plus;semi",
    "back\\slash|pipe<>^{}[]~!@$*(),:",
    "compose",
    "x/rewriteTo/b/other/o/y",
    "tab\tand\x7fdelete",
    "\U0010ffff",
    "n" * 1024,
    "\N{MICROPHONE}" * 256,
]


@pytest.mark.parametrize("name", NASTY_NAMES, ids=range(len(NASTY_NAMES)))
def test_any_name_makes_the_whole_trip(bucket: storage.Bucket, folder: Path, name: str) -> None:
    before = set(folder.parent.rglob("*"))
    bucket.blob(name).upload_from_string(name.encode() + b"!", content_type="audio/mpeg")
    bucket.blob(name, chunk_size=262144).open("wb").close()  # a resumable upload of the same name
    bucket.blob(name).upload_from_string(name.encode())
    assert bucket.blob(name).download_as_bytes() == name.encode()
    found = bucket.get_blob(name)
    assert found is not None
    assert found.name == name
    assert found.download_as_bytes() == name.encode()  # by its media link
    assert [blob.name for blob in bucket.list_blobs()] == [name]
    assert [blob.name for blob in bucket.list_blobs(prefix=name)] == [name]
    new = {path for path in set(folder.parent.rglob("*")) - before if path.is_file()}
    assert all(path.parent == folder / "objects" and path.name.isalnum() for path in new), new
    bucket.blob(name).delete()
    assert not bucket.blob(name).exists()


@pytest.mark.parametrize("name", [".", "..", "line\nbreak", "n" * 1025, "\N{MICROPHONE}" * 256 + "x"])
def test_impossible_names_are_refused(bucket: storage.Bucket, name: str) -> None:
    with pytest.raises(exceptions.BadRequest):
        bucket.blob(name).upload_from_string(b"x")


def test_an_objects_metadata(bucket: storage.Bucket) -> None:
    data = b"sound" * 1000
    blob = bucket.blob("a.mp3")
    blob.metadata = {"origin": "test"}
    blob.cache_control = "no-store"
    blob.upload_from_string(data, content_type="audio/mpeg")
    blob = bucket.get_blob("a.mp3")
    assert blob.size == len(data)
    assert blob.md5_hash == base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
    assert blob.crc32c == base64.b64encode(google_crc32c.Checksum(data).digest()).decode()
    assert blob.content_type == "audio/mpeg"
    assert blob.metadata == {"origin": "test"}
    assert blob.cache_control == "no-store"
    assert blob.metageneration == 1
    assert abs(blob.generation / 1e6 - blob.time_created.timestamp()) < 1
    assert blob.updated == blob.time_created
    assert blob.etag


def test_the_wire_form_of_numbers_is_text(bucket: storage.Bucket, port: int) -> None:
    bucket.blob("a").upload_from_string(b"abc")
    resource = requests.get(f"http://127.0.0.1:{port}/storage/v1/b/{bucket.name}/o/a", timeout=5).json()
    assert (resource["size"], resource["metageneration"], resource["kind"]) == ("3", "1", "storage#object")
    assert isinstance(resource["generation"], str)


def test_metadata_is_patched_and_replaced(bucket: storage.Bucket) -> None:
    blob = bucket.blob("a")
    blob.metadata = {"one": "1", "two": "2"}
    blob.content_language = "en"
    blob.upload_from_string(b"abc", content_type="audio/wav")
    generation, created = blob.generation, blob.updated
    blob.metadata = {"one": None, "three": "3"}
    blob.patch()
    assert blob.metadata == {"two": "2", "three": "3"}
    assert (blob.content_language, blob.content_type) == ("en", "audio/wav")
    assert (blob.generation, blob.metageneration) == (generation, 2)
    assert blob.updated > created
    blob.content_language = None
    blob.update()
    blob.reload()
    assert (blob.content_language, blob.metageneration) == (None, 3)


def test_generations_rise_and_the_old_one_is_gone(bucket: storage.Bucket) -> None:
    generations = []
    for index in range(5):
        blob = bucket.blob("a")
        blob.upload_from_string(str(index))
        generations.append(blob.generation)
    assert generations == sorted(set(generations))
    with pytest.raises(exceptions.NotFound):
        bucket.blob("a", generation=generations[0]).download_as_bytes()
    with pytest.raises(exceptions.NotFound):
        bucket.blob("a", generation=generations[0]).reload()
    with pytest.raises(exceptions.NotFound):
        bucket.blob("a", generation=generations[0]).delete()
    assert bucket.blob("a", generation=generations[-1]).download_as_bytes() == b"4"


class TestConditions:
    """Preconditions of reads and writes."""

    def test_zero_means_must_not_exist(self, bucket: storage.Bucket) -> None:
        bucket.blob("a").upload_from_string(b"1", if_generation_match=0)
        with pytest.raises(exceptions.PreconditionFailed):
            bucket.blob("a").upload_from_string(b"2", if_generation_match=0)
        bucket.blob("a").upload_from_string(b"3", if_generation_not_match=0)
        with pytest.raises(exceptions.PreconditionFailed):
            bucket.blob("b").upload_from_string(b"4", if_generation_not_match=0)
        assert bucket.blob("a").download_as_bytes() == b"3"

    @pytest.mark.parametrize(
        "write",
        [
            lambda bucket, stale: bucket.blob("a").upload_from_string(b"3", if_generation_match=stale),
            lambda bucket, stale: bucket.blob("new").upload_from_string(b"3", if_generation_match=stale),
            lambda bucket, _: bucket.blob("a").upload_from_string(b"3", if_metageneration_match=2),
            lambda bucket, _: bucket.blob("a").upload_from_string(b"3", if_metageneration_not_match=1),
            lambda bucket, stale: bucket.blob("a").delete(if_generation_match=stale),
            lambda bucket, _: bucket.blob("a").delete(if_metageneration_match=7),
            lambda bucket, _: bucket.blob("a").patch(if_metageneration_match=7),
            lambda bucket, stale: bucket.copy_blob(bucket.blob("a"), bucket, "c", if_source_generation_match=stale),
            lambda bucket, _: bucket.copy_blob(bucket.blob("a"), bucket, "a", if_generation_match=0),
        ],
        ids=range(9),
    )
    def test_a_write_wants_its_generation(
        self, bucket: storage.Bucket, write: Callable[[storage.Bucket, int], object]
    ) -> None:
        blob = bucket.blob("a")
        blob.upload_from_string(b"1")
        bucket.blob("a").upload_from_string(b"2", if_generation_match=blob.generation)
        with pytest.raises(exceptions.PreconditionFailed):
            write(bucket, blob.generation)
        assert bucket.blob("a").download_as_bytes() == b"2"

    def test_a_reader_learns_that_nothing_changed(self, bucket: storage.Bucket) -> None:
        blob = bucket.blob("a")
        blob.upload_from_string(b"1")
        for condition in ({"if_generation_not_match": blob.generation}, {"if_metageneration_not_match": 1}):
            with pytest.raises(exceptions.NotModified):
                bucket.blob("a").reload(**condition)
            with pytest.raises(exceptions.NotModified):
                bucket.blob("a").download_as_bytes(**condition)
        with pytest.raises(exceptions.PreconditionFailed):
            bucket.blob("a").download_as_bytes(if_generation_match=1)
        with pytest.raises(exceptions.PreconditionFailed):
            bucket.blob("a").download_as_bytes(if_etag_match="other")
        assert bucket.blob("a").download_as_bytes(if_etag_match=blob.etag) == b"1"

    def test_a_missing_object_is_missing_first(self, bucket: storage.Bucket) -> None:
        with pytest.raises(exceptions.NotFound):
            bucket.blob("a").delete(if_generation_match=5)
        with pytest.raises(exceptions.NotFound):
            bucket.blob("a").reload(if_generation_not_match=5)

    def test_of_parallel_uploads_exactly_one_wins(self, bucket: storage.Bucket) -> None:
        gate = threading.Barrier(8)

        def upload(index: int) -> int | None:
            gate.wait()
            try:
                bucket.blob("prize").upload_from_string(bytes([index]) * 100_000, if_generation_match=0)
            except exceptions.PreconditionFailed:
                return None
            return index

        with ThreadPoolExecutor(8) as pool:
            winners = [winner for winner in pool.map(upload, range(8)) if winner is not None]
        assert len(winners) == 1
        assert bucket.blob("prize").download_as_bytes() == bytes(winners) * 100_000


def test_what_is_stored_survives_a_restart(
    tmp_path: Path, serve: Callable[..., AbstractContextManager[int]], connect: Callable[[int], storage.Client]
) -> None:
    with serve(tmp_path) as port:
        bucket = connect(port).create_bucket("media-bucket")
        bucket.blob("a").upload_from_string(b"kept")
        generation = bucket.get_blob("a").generation
    with serve(tmp_path) as port:
        blob = connect(port).bucket("media-bucket").get_blob("a")
        assert (blob.generation, blob.download_as_bytes()) == (generation, b"kept")


def test_errors_are_in_googles_form(client: storage.Client, port: int) -> None:
    answer = requests.get(f"http://127.0.0.1:{port}/storage/v1/b/no-bucket/o/x", timeout=5)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == 404
    assert answer.json()["error"]["errors"][0]["reason"] == "notFound"
    with pytest.raises(exceptions.NotFound, match="bucket does not exist"):
        client.bucket("no-bucket").blob("x").upload_from_string(b"x")
    assert requests.get(f"http://127.0.0.1:{port}/elsewhere", timeout=5).json()["error"]["code"] == 404
    broken = requests.post(f"http://127.0.0.1:{port}/storage/v1/b", data=b"{", timeout=5)
    assert broken.json()["error"]["errors"][0]["reason"] == "parseError"
