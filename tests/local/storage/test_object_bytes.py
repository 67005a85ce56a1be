"""Ranges and check sums of objects, as the real client asks for them."""

from __future__ import annotations

import base64
from pathlib import Path

import google_crc32c
import pytest
import requests
from google.api_core import exceptions
from google.cloud import storage


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
