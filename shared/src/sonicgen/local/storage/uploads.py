"""Resumable uploads: sessions that outlive a broken connection and a restart of the server.

Specification: https://cloud.google.com/storage/docs/performing-resumable-uploads
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from types import TracebackType

import anyio
import anyio.to_thread

from sonicgen.local.storage.database import Database, now_microseconds
from sonicgen.local.storage.files import Digest, ObjectFiles, Part
from sonicgen.local.storage.intake import finish, pour
from sonicgen.local.storage.objects import Objects
from sonicgen.local.storage.preconditions import Conditions
from sonicgen.local.storage.problems import Problem, invalid, missing
from sonicgen.local.storage.resources import Draft, Json, ObjectRow

_KEPT_MICROSECONDS = 7 * 24 * 3600 * 1_000_000  # as long as Cloud Storage keeps a session
_GRACE_SECONDS = 0.5  # the end of a broken connection is seen within milliseconds on one machine
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(?:(\d+)|\*)")


@dataclass(frozen=True, slots=True)
class ContentRange:
    """Where a request's bytes lie in the object; `start` None asks for the progress, `total` None is not known yet."""

    start: int | None
    end: int | None  # exclusive
    total: int | None

    @classmethod
    def read(cls, header: str | None) -> ContentRange:
        """Return the range of a Content-Range header; none means all bytes at once."""
        if header is None:
            return cls(0, None, None)
        match = _RANGE.fullmatch(header.strip())
        if match is None:
            raise invalid(f"Failed to parse Content-Range header: {header}")
        start, last, total = (None if text is None else int(text) for text in match.groups())
        return cls(start, None if last is None else last + 1, total)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an upload is; `resource` once it is complete."""

    size_bytes: int
    resource: Json | None = None


@dataclass(frozen=True, slots=True)
class _Session:
    id: str
    draft: Draft
    conditions: Conditions
    file: str
    result: Json | None


@dataclass(slots=True)
class _Live:
    """What is known of a session while the server runs: who is writing, and the digest of what is there."""

    lock: anyio.Lock = field(default_factory=anyio.Lock)
    scope: anyio.CancelScope | None = None
    digest: Digest | None = None


class _Turn:
    """Being the one who writes to a session.

    A request that is still reading for the same session gives way: its client has lost that connection, or would not
    have sent another request. It gets a moment to keep what is on its way.
    """

    def __init__(self, live: _Live) -> None:
        self._live = live
        self._scope = anyio.CancelScope()

    async def __aenter__(self) -> _Live:
        while True:
            with anyio.move_on_after(_GRACE_SECONDS):
                await self._live.lock.acquire()
                break
            if self._live.scope is not None:
                self._live.scope.cancel()
        self._live.scope = self._scope
        self._scope.__enter__()
        return self._live

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.scope = None
        self._live.lock.release()
        if self._scope.__exit__(kind, error, trace):
            raise Problem(503, "backendError", "Another request went on with this upload.")


class Uploads:
    """The resumable uploads of one server."""

    def __init__(self, database: Database, files: ObjectFiles, objects: Objects) -> None:
        self._database = database
        self._files = files
        self._objects = objects
        self._live: dict[str, _Live] = {}

    def begin(self, draft: Draft, conditions: Conditions) -> str:
        """Return the id of a new session; raise Problem when the upload has no chance. May block."""
        self._objects.check_place(draft, conditions)
        upload = secrets.token_urlsafe(24)
        self._database.run(
            "insert_upload",
            id=upload,
            bucket=draft.bucket,
            name=draft.name,
            draft=json.dumps(asdict(draft)),
            conditions=json.dumps(conditions.dump()),
            file=self._files.new_name(),
            now=now_microseconds(),
        )
        return upload

    def forget_old(self) -> None:
        """Drop the sessions that are over a week old; their files go with the next sweep. May block."""
        self._database.run("delete_old_uploads", before=now_microseconds() - _KEPT_MICROSECONDS)

    async def cancel(self, upload: str) -> None:
        """End a session and drop its bytes."""
        async with self._take_over(upload):
            session = await self._find(upload)
            await anyio.to_thread.run_sync(self._drop, session)

    async def receive(
        self, upload: str, place: ContentRange, stream: AsyncIterator[bytes], promised: Draft, base_url: str
    ) -> Progress:
        """Take in the bytes of one request; return how far the upload is.

        `promised` holds the hashes that came with this request. Raises Problem: 404 for no such session, 412 when a
        precondition fails at the end, 400 for hashes that do not fit; after these two the session is over.
        """
        async with self._take_over(upload) as live:
            session = await self._find(upload)
            if session.result is not None:
                return Progress(int(session.result["size"]), session.result)
            if live.digest is None:
                # After a restart the file itself is the truth: every byte in it was written in order.
                live.digest = await anyio.to_thread.run_sync(self._files.digest_part, session.file)
            if place.start is not None:
                await self._append(session, live.digest, place, stream)
            complete = place.end is None if place.start is not None else False
            if place.total is not None:
                if live.digest.size_bytes > place.total:
                    raise invalid("More bytes were uploaded than the Content-Range header gives as the total.")
                complete = live.digest.size_bytes == place.total
            if not complete:
                return Progress(live.digest.size_bytes)
            draft = replace(
                session.draft, md5=promised.md5 or session.draft.md5, crc32c=promised.crc32c or session.draft.crc32c
            )
            return await finish(partial(self._finish, session, draft, live.digest, base_url))

    async def _append(
        self, session: _Session, digest: Digest, place: ContentRange, stream: AsyncIterator[bytes]
    ) -> None:
        assert place.start is not None  # noqa: S101  # the caller looked
        if place.start > digest.size_bytes:
            raise invalid(
                f"Bytes from {place.start} came, but only {digest.size_bytes} are here; ask for the progress."
            )
        # A client repeats a chunk whose answer it did not get: what is here already is skipped.
        skip = digest.size_bytes - place.start
        part = await anyio.to_thread.run_sync(self._files.open_part, session.file, digest)
        with part:
            length = await pour(stream, part, skip)
            if place.end is not None and length != place.end - place.start:
                raise invalid(f"The Content-Range header gives {place.end - place.start} bytes, but {length} came.")
            await anyio.to_thread.run_sync(Part.flush, part)

    def _finish(self, session: _Session, draft: Draft, digest: Digest, base_url: str) -> Progress:
        def note(row: ObjectRow) -> None:
            self._database.run("finish_upload", id=session.id, result=json.dumps(row.resource(base_url)))

        body = self._files.complete(session.file, digest)
        try:
            row = self._objects.put(draft, body, session.conditions, base_url, also=note)
        except Problem:
            self._drop(session)
            raise
        except Exception:
            self._files.reopen(session.file)  # the disk is full, say: the client may try the end again
            raise
        self._live.pop(session.id, None)
        return Progress(body.size_bytes, row.resource(base_url))

    def _drop(self, session: _Session) -> None:
        self._live.pop(session.id, None)
        self._database.run("delete_upload", id=session.id)
        if session.result is None:
            self._files.discard(session.file)

    async def _find(self, upload: str) -> _Session:
        row = await anyio.to_thread.run_sync(lambda: self._database.one("find_upload", id=upload))
        if row is None:
            self._live.pop(upload, None)
            raise missing("There is no such upload session; begin again.")
        draft = Draft(**json.loads(row["draft"]))
        conditions = Conditions.load(json.loads(row["conditions"]))
        result = json.loads(row["result"]) if row["result"] else None
        return _Session(upload, draft, conditions, row["file"], result)

    def _take_over(self, upload: str) -> _Turn:
        return _Turn(self._live.setdefault(upload, _Live()))
