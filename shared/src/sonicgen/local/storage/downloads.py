"""Objects' bytes on their way to a client: ranges, in bounded memory."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import formatdate
from typing import BinaryIO

import anyio.to_thread
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sonicgen.local.storage.files import BLOCK_BYTES
from sonicgen.local.storage.problems import Problem
from sonicgen.local.storage.resources import ObjectRow

_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Span:
    """Which bytes to send; `end` is exclusive."""

    start: int
    end: int
    partial: bool

    @classmethod
    def read(cls, header: str | None, size_bytes: int) -> Span:
        """Return the span that a Range header asks for; raise Problem (416) when there is no such byte.

        A header that is no single range of bytes is ignored, as RFC 9110 has it.
        """
        match = _RANGE.fullmatch(header.strip()) if header else None
        if match is None or match.groups() == ("", ""):
            return cls(0, size_bytes, partial=False)
        first, last = match.groups()
        start = int(first) if first else max(0, size_bytes - int(last))
        end = min(size_bytes, int(last) + 1) if first and last else size_bytes
        if start >= size_bytes:
            length = {"content-range": f"bytes */{size_bytes}"}
            raise Problem(416, "requestedRangeNotSatisfiable", "Request range not satisfiable", length)
        if end <= start:  # the wrong way round
            return cls(0, size_bytes, partial=False)
        return cls(start, end, partial=True)


class ObjectResponse(Response):
    """Sends a span of an object's bytes and closes the file."""

    def __init__(self, row: ObjectRow, handle: BinaryIO, span: Span) -> None:
        super().__init__(status_code=206 if span.partial else 200, headers=_headers(row, span))
        self._handle = handle
        self._span = span

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send the response."""
        with self._handle as handle:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            left = 0 if scope["method"] == "HEAD" else self._span.end - self._span.start
            handle.seek(self._span.start)
            while left > 0:
                block = await anyio.to_thread.run_sync(handle.read, min(left, BLOCK_BYTES))
                if not block:
                    raise EOFError("A stored object is shorter than its length says.")
                left -= len(block)
                await send({"type": "http.response.body", "body": block, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


def _headers(row: ObjectRow, span: Span) -> dict[str, str]:
    hashes = f"crc32c={row.body.crc32c}" + (f",md5={row.body.md5}" if row.body.md5 else "")
    headers = {
        "content-type": row.content_type,
        "content-length": str(span.end - span.start),
        "accept-ranges": "bytes",
        "etag": row.etag,
        "last-modified": formatdate(row.updated_at / 1e6, usegmt=True),
        "x-goog-generation": str(row.generation),
        "x-goog-metageneration": str(row.metageneration),
        "x-goog-hash": hashes,
        "x-goog-stored-content-encoding": row.fields.get("contentEncoding", "identity"),
        "x-goog-stored-content-length": str(row.body.size_bytes),
        "x-goog-storage-class": row.fields.get("storageClass", "STANDARD"),
    }
    if span.partial:
        headers["content-range"] = f"bytes {span.start}-{span.end - 1}/{row.body.size_bytes}"
    for field in ("contentEncoding", "contentDisposition", "contentLanguage", "cacheControl"):
        if field in row.fields:
            headers[re.sub("([A-Z])", r"-\1", field).lower()] = row.fields[field].encode("utf-8").decode("latin-1")
    return headers
