"""One HTTP POST on the event loop.

Pushing needs to tell "nobody answers the door" from "the connection broke", and to be cancelled at any moment. The
clients among our dependencies are synchronous, so this is the small part of HTTP/1.1 that a push uses.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})\b")

# Of the answer only the status matters; this much of the rest is read so that the endpoint can finish writing.
_DRAINED_BYTES = 64 * 1024


class EndpointDownError(Exception):
    """No connection could be made; the endpoint has seen nothing of the message."""


class BrokenAnswerError(Exception):
    """The endpoint took the request and gave no readable answer."""


async def post(url: str, headers: Mapping[str, str], body: bytes) -> int:
    """Send `body` and return the answer's status.

    Raises EndpointDownError when no connection can be made, BrokenAnswerError when it ends without an answer.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    try:
        reader, writer = await asyncio.open_connection(
            parts.hostname, parts.port or (443 if secure else 80), ssl=True if secure else None
        )
    except (OSError, ValueError) as error:
        raise EndpointDownError(str(error)) from error
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        fixed = {"Host": parts.netloc.rpartition("@")[2], "Content-Length": str(len(body)), "Connection": "close"}
        lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in {**headers, **fixed}.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        # An endpoint may answer and close before it has read all; its answer counts then.
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        return await _read_status(reader)
    except (OSError, ValueError, asyncio.IncompleteReadError) as error:
        raise BrokenAnswerError(str(error) or type(error).__name__) from error
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _read_status(reader: asyncio.StreamReader) -> int:
    while True:
        line = await reader.readline()
        found = _STATUS_LINE.match(line)
        if found is None:
            raise BrokenAnswerError(f"the answer begins with {line[:60]!r}")
        length = 0
        while (header := await reader.readline()) not in (b"\r\n", b"\n", b""):
            name, _, value = header.partition(b":")
            if name.strip().lower() == b"content-length" and value.strip().isdigit():
                length = int(value)
        status = int(found[1])
        if status != 100:  # 100 only announces the answer; 102 is one that Pub/Sub takes
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await reader.readexactly(min(length, _DRAINED_BYTES))
            return status
