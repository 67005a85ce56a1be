"""What the real client sees of objects."""

from __future__ import annotations

import base64
import hashlib
import itertools
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


class TestRanges:
    """Downloads of parts."""

    DATA = bytes(range(256)) * 12_000  # three megabytes: several blocks

    def test_ranges(self, bucket: storage.Bucket, port: int) -> None:
        bucket.blob("a").upload_from_string(self.DATA)
        url = f"http://127.0.0.1:{port}/download/storage/v1/b/{bucket.name}/o/a?alt=media"
        size = len(self.DATA)
        for header, start, end in (
            ("bytes=0-0", 0, 1),
            ("bytes=5-99", 5, 100),
            (f"bytes={size - 3}-", size - 3, size),
            ("bytes=-7", size - 7, size),
            (f"bytes=-{size * 2}", 0, size),
            (f"bytes=1000000-{size * 2}", 1_000_000, size),
        ):
            answer = requests.get(url, headers={"range": header}, timeout=5)
            assert answer.status_code == 206
            assert answer.content == self.DATA[start:end]
            assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
        for header in (f"bytes={size}-", "bytes=-0"):
            answer = requests.get(url, headers={"range": header}, timeout=5)
            assert answer.status_code == 416
            assert answer.json()["error"]["errors"][0]["reason"] == "requestedRangeNotSatisfiable"
        assert requests.get(url, headers={"range": "lines=1-2"}, timeout=5).content == self.DATA

    def test_the_client_reads_ranges_and_checks_hashes(self, bucket: storage.Bucket) -> None:
        bucket.blob("a").upload_from_string(self.DATA)
        assert bucket.blob("a").download_as_bytes(start=10, end=20) == self.DATA[10:21]
        assert bucket.blob("a").download_as_bytes(checksum="md5") == self.DATA
        assert bucket.blob("a").download_as_bytes(checksum="crc32c") == self.DATA
        with bucket.blob("a").open("rb", chunk_size=1 << 20) as stream:
            stream.seek(2_500_000)
            assert stream.read(100) == self.DATA[2_500_000:2_500_100]
            stream.seek(0)
            assert stream.read() == self.DATA

    def test_an_empty_object(self, bucket: storage.Bucket) -> None:
        bucket.blob("a").upload_from_string(b"")
        assert bucket.blob("a").download_as_bytes() == b""
        with bucket.blob("a").open("rb") as stream:
            assert stream.read() == b""

    def test_a_deleted_object_is_read_to_its_end(self, bucket: storage.Bucket, port: int) -> None:
        data = self.DATA * 4
        bucket.blob("a").upload_from_string(data)
        url = f"http://127.0.0.1:{port}/download/storage/v1/b/{bucket.name}/o/a?alt=media"
        with requests.get(url, stream=True, timeout=5) as answer:
            stream = answer.iter_content(65536)
            start = next(stream)
            bucket.blob("a").delete()
            assert start + b"".join(stream) == data
        assert requests.get(url, timeout=5).status_code == 404


class TestHashes:
    """Uploads whose bytes are not the ones promised."""

    @pytest.mark.parametrize("field", ["md5_hash", "crc32c"])
    def test_a_wrong_hash_is_refused(self, bucket: storage.Bucket, folder: Path, field: str) -> None:
        before = set((folder / "objects").iterdir())
        blob = bucket.blob("a")
        setattr(blob, field, "AAAAAA==" if field == "crc32c" else "AAAAAAAAAAAAAAAAAAAAAA==")
        with pytest.raises(exceptions.BadRequest, match="doesn't match"):
            blob.upload_from_string(b"abc", checksum=None)
        assert not bucket.blob("a").exists()
        assert set((folder / "objects").iterdir()) == before

    def test_media_uploads_check_the_hash_header(self, bucket: storage.Bucket, port: int) -> None:
        url = f"http://127.0.0.1:{port}/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=a"
        wrong = requests.post(url, data=b"abc", headers={"x-goog-hash": "crc32c=AAAAAA=="}, timeout=5)
        assert wrong.status_code == 400
        assert wrong.json()["error"]["code"] == 400
        crc32c = base64.b64encode(google_crc32c.Checksum(b"abc").digest()).decode()
        right = requests.post(
            url, data=b"abc", headers={"x-goog-hash": f"crc32c={crc32c}", "content-type": "audio/ogg"}, timeout=5
        )
        assert right.json()["contentType"] == "audio/ogg"
        assert bucket.blob("a").download_as_bytes() == b"abc"


class TestCopies:
    """Copy, rewrite and compose."""

    def test_copy_and_rewrite(self, client: storage.Client, bucket: storage.Bucket) -> None:
        other = client.create_bucket(f"other-{bucket.name}")
        data = b"0123456789" * 1_000_000
        source = bucket.blob("dir/a b")
        source.metadata = {"k": "v"}
        source.upload_from_string(data, content_type="audio/flac")
        copy = bucket.copy_blob(source, other, "x/y")
        assert (copy.size, copy.md5_hash, copy.metadata) == (len(data), source.md5_hash, {"k": "v"})
        target = other.blob("z")
        token, done, total = target.rewrite(source)
        assert (token, done, total) == (None, len(data), len(data))
        source.delete()
        assert target.download_as_bytes() == data
        assert other.blob("x/y").content_type is None  # not loaded
        assert other.get_blob("x/y").content_type == "audio/flac"
        with pytest.raises(exceptions.NotFound):
            other.blob("q").rewrite(source)

    def test_an_old_source_generation_is_missing(self, bucket: storage.Bucket) -> None:
        source = bucket.blob("a")
        source.upload_from_string(b"1")
        stale = source.generation
        bucket.blob("a").upload_from_string(b"2")
        with pytest.raises(exceptions.NotFound):
            bucket.copy_blob(bucket.blob("a"), bucket, "b", source_generation=stale)

    def test_renaming(self, bucket: storage.Bucket) -> None:
        source = bucket.blob("a")
        source.upload_from_string(b"1")
        bucket.rename_blob(source, "b/c")
        assert [blob.name for blob in bucket.list_blobs()] == ["b/c"]

    def test_compose(self, bucket: storage.Bucket) -> None:
        parts = [bucket.blob(f"part {index}") for index in range(3)]
        for index, part in enumerate(parts):
            part.upload_from_string(str(index) * 100_000)
        whole = bucket.blob("whole")
        whole.content_type = "audio/wav"
        whole.compose(parts, if_generation_match=0)
        assert whole.download_as_bytes() == b"".join(str(index).encode() * 100_000 for index in range(3))
        assert (whole.component_count, whole.md5_hash, whole.content_type) == (3, None, "audio/wav")
        with pytest.raises(exceptions.PreconditionFailed):
            bucket.blob("whole").compose(parts, if_generation_match=0)
        with pytest.raises(exceptions.PreconditionFailed):
            bucket.blob("w2").compose(parts, if_source_generation_match=[1, 2, 3])
        with pytest.raises(exceptions.NotFound):
            bucket.blob("w3").compose([*parts, bucket.blob("nothing")])


class TestListing:
    """Lists with prefix, delimiter and pages."""

    @pytest.fixture
    def names(self, bucket: storage.Bucket) -> list[str]:
        names = ["a", "a/1", "a/2", "a/b/3", "a0", "b/1", "b/2", "c", "\u00e9/1", "\N{MICROPHONE}"]
        for name in names:
            bucket.blob(name).upload_from_string(name)
        return names

    def test_order_is_that_of_utf8(self, bucket: storage.Bucket, names: list[str]) -> None:
        assert [blob.name for blob in bucket.list_blobs()] == sorted(names, key=str.encode)

    def test_prefixes_and_delimiters(self, bucket: storage.Bucket, names: list[str]) -> None:
        for size in (1, 2, 3, 100):
            found = bucket.list_blobs(delimiter="/", page_size=size)
            assert [blob.name for blob in found] == ["a", "a0", "c", "\N{MICROPHONE}"]
            assert found.prefixes == {"a/", "b/", "\u00e9/"}
            found = bucket.list_blobs(prefix="a/", delimiter="/", page_size=size)
            assert [blob.name for blob in found] == ["a/1", "a/2"]
            assert found.prefixes == {"a/b/"}
        assert [blob.name for blob in bucket.list_blobs(prefix="a")] == ["a", "a/1", "a/2", "a/b/3", "a0"]
        assert [blob.name for blob in bucket.list_blobs(start_offset="a0", end_offset="c")] == ["a0", "b/1", "b/2"]
        assert list(bucket.list_blobs(prefix="nothing")) == []

    def test_pages(self, bucket: storage.Bucket, names: list[str]) -> None:
        pages = [[blob.name for blob in page] for page in bucket.list_blobs(page_size=3).pages]
        assert [len(page) for page in pages] == [3, 3, 3, 1]
        assert list(itertools.chain(*pages)) == sorted(names, key=str.encode)
        assert len(list(bucket.list_blobs(max_results=4))) == 4

    def test_a_wrong_page_token(self, bucket: storage.Bucket) -> None:
        with pytest.raises(exceptions.BadRequest):
            list(bucket.list_blobs(page_token="\u00fc!"))


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
