"""The web application: routes, errors in Google's form."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from contextlib import suppress

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sonicgen.local.storage import routes_buckets, routes_objects, routes_uploads
from sonicgen.local.storage.problems import Problem, as_problem
from sonicgen.local.storage.service import Service

_log = logging.getLogger(__name__)


def make_app(service: Service) -> ASGIApp:
    """Return the application that serves `service`."""
    app = Starlette(
        routes=[*routes_buckets.ROUTES, *routes_objects.ROUTES, *routes_uploads.ROUTES],
        exception_handlers={
            Problem: _answer_problem,
            OSError: _answer_disk,
            sqlite3.Error: _answer_disk,
            ClientDisconnect: _answer_nobody,
            HTTPException: _answer_unrouted,
        },
    )
    app.router.redirect_slashes = False  # an object may be called "a/"
    app.state.service = service
    return RawPaths(app)


class RawPaths:
    """Lets routes see the path as it was sent, and clients see the answer to a body that was refused.

    An object called "a/b" comes as "a%2Fb": only before decoding can it be told from the URL's own slashes. And most
    clients read no answer before they have sent all of their body, so an early error is held until it is through.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        through = scope["method"] not in {"POST", "PUT", "PATCH"}

        async def watch() -> Message:
            nonlocal through
            message = await receive()
            if message["type"] == "http.disconnect" or not message.get("more_body", False):
                through = True
            return message

        async def hold(message: Message) -> None:
            if message["type"] == "http.response.start":
                while not through:
                    await watch()
            await send(message)

        # Cancelled means that the server stops and this transfer took too long; uvicorn would log each as a crash.
        with suppress(asyncio.CancelledError):
            await self._app({**scope, "path": scope["raw_path"].decode("ascii", "replace")}, watch, hold)


async def _answer_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101  # registered for it
    return error.response()


async def _answer_disk(request: Request, error: Exception) -> Response:
    assert isinstance(error, OSError | sqlite3.Error)  # noqa: S101  # registered for them
    problem = as_problem(error)
    if problem is None:
        _log.error("%s %s failed.", request.method, request.url.path, exc_info=error)
        problem = Problem(500, "backendError", f"The local Cloud Storage failed: {error}")
    return problem.response()


async def _answer_nobody(_request: Request, _error: Exception) -> Response:
    return Response(status_code=499)  # the client is gone


async def _answer_unrouted(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for it
    reason = "notFound" if error.status_code == 404 else "invalid"
    message = f"{error.detail}: the local Cloud Storage has no {request.method} {request.url.path}"
    return Problem(error.status_code, reason, message).response()
