"""A request's body as it streams in: ended at its limit, and read on for a while when it is answered before its end."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from sonicgen.console.problems import ProblemError

if TYPE_CHECKING:
    from starlette.types import Message, Receive

# A server that closes a connection on which bytes still come resets it, and the answer is lost with it (RFC 9112, 9.6):
# so much of what nobody wants is read and dropped.
DRAINED_BYTES = 8 << 20
_DRAINING_SECONDS = 5.0


class Body:
    """What comes of one request; at most `most_bytes` of it are passed on, None for no limit here.

    `is_held_back`: it is sent only when somebody asks for it ("Expect: 100-continue").
    """

    def __init__(self, receive: Receive, most_bytes: int | None, *, is_held_back: bool = False) -> None:
        self._receive = receive
        self._most_bytes = most_bytes
        self._is_held_back = is_held_back
        self._taken_bytes = 0
        self._has_ended = False

    async def receive(self) -> Message:
        """Return what comes next. Raises ProblemError (413) beyond the limit."""
        message = await self._next()
        if self._most_bytes is not None and self._taken_bytes > self._most_bytes:
            raise ProblemError(413, "too_large", f"A request here has at most {self._most_bytes:,} bytes.")
        return message

    async def drain(self) -> None:
        """Drop what is still on its way, so that the sender gets to read why nobody wants it."""
        if self._is_held_back:
            return
        end = self._taken_bytes + DRAINED_BYTES
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAINING_SECONDS):
                while not self._has_ended and self._taken_bytes < end:
                    await self._next()

    async def _next(self) -> Message:
        message = await self._receive()
        self._is_held_back = False
        self._taken_bytes += len(message.get("body", b""))
        self._has_ended = not message.get("more_body", False)
        return message
