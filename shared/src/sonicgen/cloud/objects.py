"""Objects in Cloud Storage: upload once, read by ranges, describe, delete, list.

All errors are SonicGen's own: NotFoundError, ConflictError (somebody else wrote first), InputError (the request can
never work) and UnavailableError (the service does not answer, or not to us; the work comes back).
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from sonicgen.errors import ConflictError, InputError, NotFoundError, SonicGenError, UnavailableError

UPLOAD_CHUNK_BYTES = 8 << 20  # in memory at a time; a multiple of 256 KiB, as resumable uploads need
READ_CHUNK_BYTES = 4 << 20  # fetched at a time: four minutes of mp3, a round trip each
# An upload whose bytes changed on their way is refused: 'Provided CRC32C "…" doesn't match calculated CRC32C "…"'.
_WRONG_SUM = re.compile(r"crc32c|md5|checksum|digest", re.IGNORECASE)
# NUL, carriage return, line feed (Cloud Storage refuses the last two), and halves of characters.
_NO_NAME = re.compile("[\0\r\n\ud800-\udfff]")
RETRY_SECONDS = 30.0  # how long one request is tried; then the event comes back, which waits more cheaply

Progress = Callable[[int, int], None]
"""Takes the bytes that have arrived and the bytes in all."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One generation of an object. `md5` is base64, None for composed objects; `created` is False when it was there."""

    bucket: str
    name: str
    generation: int
    size_bytes: int
    md5: str | None
    crc32c: str
    content_type: str | None
    created_at: datetime
    created: bool = True


class ObjectReader(io.BufferedIOBase):
    """A seekable stream over one generation of an object, which holds a few megabytes of it at a time.

    Decoders swallow or rewrap what a stream raises: `error` keeps the first error, every later read raises it again,
    and so does `raise_error`, for a caller who was told something else by a decoder.
    """

    def __init__(self, stored: StoredObject, blob: Any) -> None:
        self.stored = stored
        self.error: SonicGenError | None = None
        self._reader = blob.open("rb", chunk_size=READ_CHUNK_BYTES, retry=_retry())

    def raise_error(self) -> None:
        """Raise the error that a read met, if one did."""
        if self.error is not None:
            raise self.error

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to `size` bytes; raise NotFoundError when the object is gone, UnavailableError for the network."""
        self.raise_error()
        try:
            with _own_errors(self.stored.bucket, self.stored.name):
                return bytes(self._reader.read(-1 if size is None else size))
        except SonicGenError as error:
            self.error = error
            raise

    def read1(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes."""
        return self.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move, at no cost until the next read; return the new position."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: self.stored.size_bytes}[whence]
        # Told as an absolute position: the client's reader miscounts relative ones once it was moved past its buffer.
        target = min(max(base + offset, 0), self.stored.size_bytes)
        self._reader.seek(target)
        return target

    def tell(self) -> int:
        """Return the position."""
        return int(self._reader.tell())

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be moved."""
        return True

    def close(self) -> None:
        """Let go of what is buffered."""
        self._reader.close()
        super().close()


def ensure_bucket(bucket: str, *, location: str | None = None) -> None:
    """Create a bucket unless it is there already."""
    from google.api_core.exceptions import Conflict

    with _own_errors(bucket):
        try:
            _client().create_bucket(bucket, location=location, retry=_retry(), timeout=RETRY_SECONDS)
        except Conflict:  # it is there, which is all that was wanted; if it is someone else's, its use will say so
            return


def ensure_notification(bucket: str, topic: str, *, prefix: str = "") -> None:
    """Have a bucket tell a topic of this project of every object that comes to be; again is harmless."""
    with _own_errors(bucket):
        place = _client().bucket(bucket)
        for present in place.list_notifications(retry=_retry(), timeout=RETRY_SECONDS):
            if present.topic_name == topic and (present.blob_name_prefix or "") == prefix:
                return
        wanted = place.notification(
            topic_name=topic,
            event_types=["OBJECT_FINALIZE"],
            blob_name_prefix=prefix or None,
            payload_format="JSON_API_V1",
        )
        wanted.create(retry=_retry(), timeout=RETRY_SECONDS)


def check_bucket(bucket: str) -> None:
    """Raise NotFoundError when there is no such bucket, UnavailableError when it cannot be reached or read."""
    next(iter(list_objects(bucket)), None)


def upload_file(
    bucket: str,
    name: str,
    path: Path,
    *,
    content_type: str | None = None,
    on_progress: Progress | None = None,
    metadata: dict[str, str] | None = None,
) -> StoredObject:
    """Store a file under a name that holds nothing yet, or the same bytes already; return the object.

    Raises ConflictError when the name holds other bytes. The upload is resumable: a connection that breaks costs one
    chunk.
    """
    try:
        with path.open("rb") as file, _own_errors(bucket, name):
            blob = _client().bucket(bucket).blob(name, chunk_size=UPLOAD_CHUNK_BYTES)
            blob.metadata = metadata
            size_bytes = path.stat().st_size
            # Without a size the client always takes the resumable way, also for small files.
            blob.upload_from_file(
                _Watched(file, size_bytes, on_progress),
                content_type=content_type,
                if_generation_match=0,
                checksum="crc32c",
                retry=_retry(),
            )
            if on_progress:
                on_progress(size_bytes, size_bytes)
            return _stored(blob)
    except ConflictError:
        return _same_or_conflict(bucket, name, path)
    except OSError as error:
        raise InputError(f"The file {path} cannot be read: {error.strerror or error}.") from error


def open_object(bucket: str, name: str, generation: int | None = None) -> ObjectReader:
    """Return a stream over an object; raise NotFoundError when that generation is not there.

    It stays with the generation that is there now (or the one asked for): when that is overwritten, reads raise
    NotFoundError rather than mix two files.
    """
    blob = _reload(bucket, name, generation)
    return ObjectReader(_stored(blob), blob)


def describe_object(bucket: str, name: str, generation: int | None = None) -> StoredObject:
    """Return what is known of an object; raise NotFoundError when it, or that generation, is not there."""
    return _stored(_reload(bucket, name, generation))


def delete_object(bucket: str, name: str, generation: int | None = None, *, missing_ok: bool = False) -> None:
    """Remove an object, only that generation when one is given; raise NotFoundError when there is none."""
    try:
        with _own_errors(bucket, name):
            _client().bucket(bucket).blob(name, generation=generation).delete(retry=_retry())
    except NotFoundError:
        if not missing_ok:
            raise


def list_objects(bucket: str, prefix: str = "", *, after: str | None = None) -> Iterator[StoredObject]:
    """Yield a bucket's objects whose names start with `prefix`, by name; those that follow the name `after`."""
    with _own_errors(bucket):
        for blob in _client().list_blobs(bucket, prefix=prefix or None, start_offset=after, retry=_retry()):
            if blob.name != after:
                yield _stored(blob)


class _Watched(io.RawIOBase):
    """A file that tells how far its upload is: what was read before the next read has arrived."""

    def __init__(self, file: BinaryIO, size_bytes: int, on_progress: Progress | None) -> None:
        self._file = file
        self._size_bytes = size_bytes
        self._on_progress = on_progress

    def read(self, size: int = -1, /) -> bytes:
        if self._on_progress:
            self._on_progress(self._file.tell(), self._size_bytes)
        return self._file.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _same_or_conflict(bucket: str, name: str, path: Path) -> StoredObject:
    """Return the object that is in the way if it holds the file's bytes; raise ConflictError if not."""
    import google_crc32c

    try:
        blob = _reload(bucket, name, None)
    except NotFoundError as error:
        raise ConflictError(f"gs://{bucket}/{name} was written and removed meanwhile; try again.") from error
    theirs, digest = blob.crc32c, google_crc32c.Checksum()
    if blob.md5_hash:  # a composed object has none
        theirs, digest = blob.md5_hash, hashlib.md5(usedforsecurity=False)
    if blob.size != path.stat().st_size or theirs != _hash(path, digest):
        raise ConflictError(f"gs://{bucket}/{name} exists already and holds something else; choose another name.")
    return _stored(blob, created=False)


def _hash(path: Path, digest: Any) -> str:
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return base64.b64encode(digest.digest()).decode("ascii")


def _reload(bucket: str, name: str, generation: int | None) -> Any:
    with _own_errors(bucket, name):
        blob = _client().bucket(bucket).blob(name, generation=generation)
        blob.reload(retry=_retry())
        return blob


def _stored(blob: Any, *, created: bool = True) -> StoredObject:
    return StoredObject(
        bucket=blob.bucket.name,
        name=blob.name,
        generation=int(blob.generation),
        size_bytes=int(blob.size),
        md5=blob.md5_hash,
        crc32c=blob.crc32c,
        content_type=blob.content_type,
        created_at=blob.time_created,
        created=created,
    )


def _client() -> Any:
    return _client_for(os.environ.get("STORAGE_EMULATOR_HOST"), os.environ.get("GOOGLE_CLOUD_PROJECT"))


@lru_cache(maxsize=4)
def _client_for(emulator: str | None, project: str | None) -> Any:
    # Imported here, as it takes 0.3 s, which not every function needs.
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.storage import Client

    if emulator:
        return Client(project=project or "sonicgen-local", credentials=AnonymousCredentials())
    return Client(project=project)


def _retry() -> Any:
    from google.cloud.storage.retry import DEFAULT_RETRY

    return DEFAULT_RETRY.with_timeout(RETRY_SECONDS)


@contextmanager
def _own_errors(bucket: str, name: str | None = None) -> Iterator[None]:
    """Raise the client's errors as SonicGen's."""
    import requests
    from google.api_core.exceptions import GoogleAPICallError, RetryError
    from google.auth.exceptions import GoogleAuthError
    from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

    place = f"gs://{bucket}/{name}" if name is not None else f"gs://{bucket}"
    if _NO_NAME.search(place):
        raise InputError(f"{place!a} is no place in Cloud Storage: it holds characters that no name has.")
    try:
        yield
    except InvalidResponse as error:
        raise _by_status(error.response.status_code, place, str(error)) from error
    except GoogleAPICallError as error:
        raise _by_status(int(error.code or 0), place, error.message) from error
    except DataCorruption as error:
        raise UnavailableError(f"The bytes of {place} were damaged on their way; try again.") from error
    except GoogleAuthError as error:
        raise UnavailableError(f"Google Cloud does not know us, so {place} is out of reach: {error}") from error
    except (RetryError, requests.RequestException, ConnectionError, TimeoutError) as error:
        raise UnavailableError(f"Cloud Storage does not answer, so {place} is out of reach; try again.") from error


def _by_status(status: int, place: str, message: str) -> SonicGenError:
    if status == 404:
        return NotFoundError(f"There is no {place}.")
    if status in (304, 409, 412):
        return ConflictError(f"Somebody else changed {place} first.")
    if status in (401, 403):
        # Not the message's fault, so it must come back once the rights are mended.
        return UnavailableError(f"This service may not use {place}; give its account the rights: {message}")
    if status == 400 and _WRONG_SUM.search(message):
        return UnavailableError(f"The bytes of {place} were damaged on their way; try again.")
    if 400 <= status < 500 and status not in (408, 429):
        return InputError(f"Cloud Storage refuses the request for {place}: {message}")
    return UnavailableError(f"Cloud Storage failed on {place} ({status}): {message}")
