"""The page and the first of the HTTP API: what the system holds and does, live."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any
from uuid import UUID

from fastapi import FastAPI, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse

from sonicgen import __version__
from sonicgen.console import reading
from sonicgen.domain.recording import MatchStatus
from sonicgen.errors import InputError, NotFoundError, SonicGenError, TransientError
from sonicgen.log import setup_logging
from sonicgen.settings import settings
from sonicgen.steps.representation import read_cursor, recording_json, write_cursor
from sonicgen.steps.services import services
from sonicgen.steps.system_status import system_status
from sonicgen.store import recordings

REFRESH_SECONDS = 1.0
# The page is all our own: nothing is fetched from, and nothing sent to, any other address.
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    setup_logging(settings().log_level)
    yield
    await run_in_threadpool(services().close)


def create_app() -> FastAPI:
    """Return the application."""
    app = FastAPI(title="SonicGen", version=__version__, lifespan=_lifespan, docs_url=None, redoc_url=None)
    app.add_exception_handler(SonicGenError, _explain)

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    def page() -> HTMLResponse:
        text = files("sonicgen.console").joinpath("templates", "status.html").read_text("utf-8")
        return HTMLResponse(text.replace("{{version}}", __version__), headers=_HEADERS)

    @app.get("/healthz")
    def health() -> dict[str, str]:
        """Answer when the database does."""
        recordings.counts_by_status(services().database)
        return {"status": "ok", "version": __version__}

    @app.get("/v1/status")
    def status() -> dict[str, object]:
        """What the system holds and does."""
        return system_status(services())

    @app.get("/v1/status/stream")
    async def stream(request: Request) -> StreamingResponse:
        """The same as server-sent events, one for each change."""
        return StreamingResponse(
            _changes(request), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )

    @app.get("/v1/recordings")
    def list_recordings(
        status: MatchStatus | None = None, limit: int = Query(default=50, ge=1, le=500), cursor: str | None = None
    ) -> dict[str, object]:
        """Recordings, newest first; `next` is the cursor of the following page, null on the last."""
        found = recordings.list_page(services().database, status=status, limit=limit, cursor=read_cursor(cursor))
        page = [recording_json(recording) for recording in found.recordings]
        return {"recordings": page, "next": write_cursor(found.next_cursor)}

    @app.get("/v1/recordings/{identifier}")
    def show_recording(identifier: UUID) -> dict[str, object]:
        """One recording."""
        return recording_json(recordings.get(services().database, identifier))

    app.include_router(reading.router)
    return app


async def _changes(request: Request) -> AsyncIterator[str]:
    """Yield the status as events whenever it differs; a comment otherwise, so that a dead connection is noticed."""
    before: dict[str, Any] | None = None
    while not await request.is_disconnected():
        try:
            now: dict[str, Any] | None = await run_in_threadpool(system_status, services())
        except SonicGenError as error:
            yield f"event: trouble\ndata: {json.dumps(str(error))}\n\n"
            now = None
        if now is not None and now != before:
            yield f"data: {json.dumps(now, default=str)}\n\n"
            before = now
        else:
            yield ": still here\n\n"
        await asyncio.sleep(REFRESH_SECONDS)


async def _explain(_: Request, error: Exception) -> JSONResponse:
    match error:
        case NotFoundError():
            code = 404
        case InputError():
            code = 400
        case TransientError():
            code = 503
        case _:
            code = 500
    return JSONResponse({"error": str(error)}, status_code=code)
