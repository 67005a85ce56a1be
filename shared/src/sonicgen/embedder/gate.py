"""The door: who is let in, how much they may bring, and when they have left.

It stands before the application, as these are decided while a body still comes.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sonicgen.embedder.answers import problem_response
from sonicgen.embedder.house import House
from sonicgen.embedder.problems import Code, RequestError
from sonicgen.embedder.tickets import Ticket
from sonicgen.log import log

logger = logging.getLogger(__name__)

# Health and metrics are always answered, however much there is to do.
_FREE = ("/health", "/metrics", "/openapi.json")
# What is no upload of files lies in memory whole. A thousand sounds with ten spans each are 1 MB, a thousand vectors 4.
MOST_PLAIN_BYTES = 16 << 20
_BOUNDARY = re.compile(r'boundary="?([^";,]+)"?', re.IGNORECASE)


class BodyError(HTTPException):
    """A body that cannot be taken; an HTTPException, as nothing else comes through while a form is read."""

    def __init__(self, error: RequestError) -> None:
        super().__init__(error.status, str(error))
        self.error = error


class Gate:
    """Lets as many requests in as the settings say; each has a ticket in its scope's state."""

    def __init__(self, app: ASGIApp, house: House) -> None:
        self._app = app
        self._house = house

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"].startswith(_FREE):
            await self._app(scope, receive, send)
            return
        visit = _Visit(scope, receive, send, self._house)
        started = time.monotonic()
        refusal = self._refusal(visit)
        if refusal is not None:
            await problem_response(refusal)(scope, receive, visit.send)
        else:
            self._house.guests += 1
            try:
                await visit.serve(self._app)
            except Exception:
                visit.status = 500  # the outermost layer answers, and logs
                raise
            finally:
                self._house.guests -= 1
                self._note(scope, visit, started)
            return
        self._note(scope, visit, started)

    def _note(self, scope: Scope, visit: _Visit, started: float) -> None:
        seconds = time.monotonic() - started
        status = 499 if visit.ticket.has_left else visit.status
        self._house.metrics.count_request(_route(scope), status, seconds)
        log(logger, "A request was answered.", path=scope["path"], status=status, seconds=round(seconds, 3))

    def _refusal(self, visit: _Visit) -> RequestError | None:
        if not self._house.is_ready:
            return self._house.not_ready()
        if self._house.guests >= self._house.settings.embedder_requests:
            return self._house.busy()
        return visit.stated_too_large()


class _Visit:
    """One request from its first byte to its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, house: House) -> None:
        self.ticket = Ticket()
        self.status = 499
        self._scope = scope
        self._receive = receive
        self._send = send
        self._house = house
        self._bytes = 0
        self._tail = b""
        self._is_whole = asyncio.Event()
        self._is_answered = False
        self._headers = Headers(scope=scope)
        found = _BOUNDARY.search(self._headers.get("content-type", ""))
        self._end = f"--{found[1]}--".encode("latin-1") if found else b""
        most_bytes = house.settings.embedder_upload_bytes
        self._most_bytes = most_bytes if found else min(most_bytes, MOST_PLAIN_BYTES)
        scope.setdefault("state", {})["ticket"] = self.ticket

    def stated_too_large(self) -> RequestError | None:
        """Return the refusal of a body whose own header says that it is too large."""
        with suppress(KeyError, ValueError):
            if int(self._headers["content-length"]) > self._most_bytes:
                return self._too_large()
        return None

    async def serve(self, app: ASGIApp) -> None:
        """Have the application answer, and the ticket end when the caller leaves."""
        watch = asyncio.create_task(self._watch())
        try:
            await app(self._scope, self.receive, self.send)
        finally:
            watch.cancel()
            self._house.held_bytes -= self._bytes

    async def receive(self) -> Message:
        """Give the application the next part of the body, and count it."""
        if self._is_whole.is_set():  # there is nothing more but the end of the connection, which is watched for
            while not self.ticket.has_left:
                await asyncio.sleep(0.05)
            return {"type": "http.disconnect"}
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.ticket.leave()
            return message
        body = message.get("body", b"")
        self._bytes += len(body)
        self._house.held_bytes += len(body)
        self._tail = (self._tail + body)[-256:]
        if self._bytes > self._most_bytes:
            raise BodyError(self._too_large())
        if self._house.held_bytes > self._house.settings.embedder_held_bytes:
            raise BodyError(self._house.busy())
        if not message.get("more_body", False):
            self._is_whole.set()
            if self._end and self._end not in self._tail:
                raise BodyError(
                    RequestError(Code.INCOMPLETE_UPLOAD, "The upload was cut off before its end; send it again.")
                )
        return message

    async def send(self, message: Message) -> None:
        """Send, and remember the status."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self._is_answered = True
        await self._send(message)

    async def _watch(self) -> None:
        await self._is_whole.wait()
        # Once the answer is sent, this is how a server says that it is done.
        if (await self._receive())["type"] == "http.disconnect" and not self._is_answered:
            self.ticket.leave()

    def _too_large(self) -> RequestError:
        return RequestError(
            Code.TOO_LARGE, f"The upload is larger than {self._most_bytes:,} bytes, which is the limit here."
        )


def _route(scope: Scope) -> str:
    route = scope.get("route")
    return getattr(route, "path", "other")
