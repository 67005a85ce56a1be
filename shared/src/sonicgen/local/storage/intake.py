"""Request bodies on their way to the disk, in bounded memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TypeVar

import anyio.to_thread

from sonicgen.local.storage.files import BLOCK_BYTES, Digest, ObjectFiles, Part
from sonicgen.local.storage.problems import invalid

_Result = TypeVar("_Result")

_LONGEST_HEAD_BYTES = 1 << 20  # an object resource is a few kilobytes


async def pour(stream: AsyncIterator[bytes], part: Part, skip: int = 0) -> int:
    """Append a stream, less its first `skip` bytes, to a part; return how long the stream was.

    When the stream breaks, what has come is kept and the stream's error raised.
    """
    pending, length = bytearray(), 0
    try:
        async for piece in stream:
            length += len(piece)
            pending += piece[max(0, skip - (length - len(piece))) :]
            if len(pending) >= BLOCK_BYTES:
                block, pending = bytes(pending), bytearray()
                await anyio.to_thread.run_sync(part.append, block)
    finally:
        if pending:
            await finish(partial(part.append, bytes(pending)))
    return length


async def finish(call: Callable[[], _Result]) -> _Result:
    """Run the last step of an upload in a thread, even when the client or the server is about to leave."""
    with anyio.CancelScope(shield=True):
        result = await anyio.to_thread.run_sync(call)
    return result  # noqa: RET504  # the type checker cannot know that a shield swallows nothing


async def take_in(stream: AsyncIterator[bytes], files: ObjectFiles) -> tuple[str, Digest]:
    """Write a whole stream to a new part; return its name and digest. Nothing is left when the stream breaks."""
    file, digest = files.new_name(), Digest()
    try:
        part = await anyio.to_thread.run_sync(files.open_part, file, digest)
        with part:
            await pour(stream, part)
    except BaseException:
        await finish(partial(files.discard, file))
        raise
    return file, digest


class MultipartRelated:
    """A body of two parts: the object's resource as JSON, then its bytes (RFC 2387).

    Read `head` first, then iterate over `media`.
    """

    def __init__(self, stream: AsyncIterator[bytes], boundary: str) -> None:
        self._stream = stream
        self._delimiter = b"\r\n--" + boundary.encode("latin-1")
        self._buffer = bytearray(b"\r\n")  # so that the first boundary looks like all others
        self.media_type: str | None = None

    async def head(self) -> bytes:
        """Return the first part's body, and set `media_type` from the second part's headers."""
        await self._read_until(self._delimiter)
        await self._read_until(b"\r\n\r\n")
        resource = await self._read_until(self._delimiter)
        headers = await self._read_until(b"\r\n\r\n")
        for line in headers.decode("latin-1").split("\r\n"):
            name, _, value = line.partition(":")
            if name.strip().lower() == "content-type":
                self.media_type = value.strip()
        return resource

    async def media(self) -> AsyncIterator[bytes]:
        """Yield the second part's body; raise Problem when the closing boundary never comes."""
        held = len(self._delimiter) - 1  # a boundary may be cut by the end of a piece
        while (end := self._buffer.find(self._delimiter)) < 0:
            if len(self._buffer) > held:
                ready = bytes(self._buffer[:-held])
                del self._buffer[:-held]
                yield ready
            await self._read_more()
        yield bytes(self._buffer[:end])
        async for _ in self._stream:  # what follows the end means nothing, but has to be read
            pass

    async def _read_until(self, mark: bytes) -> bytes:
        while (end := self._buffer.find(mark)) < 0:
            if len(self._buffer) > _LONGEST_HEAD_BYTES:
                raise invalid("The first part of the multipart body is too long.")
            await self._read_more()
        found = bytes(self._buffer[:end])
        del self._buffer[: end + len(mark)]
        return found

    async def _read_more(self) -> None:
        try:
            self._buffer += await anext(self._stream)
        except StopAsyncIteration as error:
            raise invalid("The multipart body ends before its last boundary.") from error
