"""Copying, composing and listing objects with the real client."""

from __future__ import annotations

import itertools

import pytest
from google.api_core import exceptions
from google.cloud import storage


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
