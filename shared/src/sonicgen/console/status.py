"""How the system is: health, numbers, queues, failures, dead letters, quotas; live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response, StreamingResponse

from sonicgen import __version__
from sonicgen.console.access import Admin, Viewer
from sonicgen.console.once import IdempotencyKey, answer_once
from sonicgen.console.sse import HEADERS, write_event
from sonicgen.errors import SonicGenError
from sonicgen.steps.backfill_status import describe_backfills
from sonicgen.steps.replay import replay
from sonicgen.steps.services import services
from sonicgen.steps.system_overview import dead_letters, failures, quotas, stats
from sonicgen.steps.system_status import system_status
from sonicgen.store import recordings

router = APIRouter(tags=["operations"])
REFRESH_SECONDS = 1.0


@router.get("/healthz")
def health() -> dict[str, str]:
    """Answer when the database does."""
    recordings.counts_by_status(services().database)
    return {"status": "ok", "version": __version__}


@router.get("/v1/status")
def show_status(caller: Viewer) -> dict[str, Any]:
    """What the system holds and does."""
    return _overview()


@router.get(
    "/v1/status/stream",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def stream_status(request: Request, caller: Viewer) -> StreamingResponse:
    """The same as server-sent events, one for each change."""
    return StreamingResponse(_changes(request), media_type="text/event-stream", headers=HEADERS)


@router.get("/v1/stats")
def show_stats(caller: Viewer) -> dict[str, Any]:
    """How much the system holds."""
    return stats(services())


@router.get("/v1/backfills")
def list_backfills(caller: Viewer) -> dict[str, Any]:
    """How far the backfills are, and of which versions the fingerprints in the index are."""
    return describe_backfills(services())


@router.get("/v1/dead-letters")
def list_dead_letters(caller: Admin) -> dict[str, Any]:
    """Messages that failed too often; they stay where they are. Takes some seconds."""
    return {"dead_letters": dead_letters()}


@router.post("/v1/dead-letters/replay")
def replay_dead_letters(caller: Admin, idempotency_key: IdempotencyKey = None) -> Response:
    """Send dead letters to their topics again, and recordings that lost their worker through their work."""

    def work() -> dict[str, Any]:
        replayed = replay(services())
        return {"dead_letters": replayed.dead_letters, "stranded": replayed.stranded}

    return answer_once(caller, idempotency_key, ("replay",), work)


def _overview() -> dict[str, Any]:
    return {**system_status(services()), "failures": failures(services()), "quotas": quotas(services())}


async def _changes(request: Request) -> AsyncIterator[str]:
    """Yield the status as events whenever it differs; a comment otherwise, so that a dead connection is noticed."""
    before: dict[str, Any] | None = None
    while not await request.is_disconnected():
        now: dict[str, Any] | None = None
        try:
            now = await run_in_threadpool(_overview)
        except SonicGenError as error:
            yield write_event(str(error), event="trouble")
        if now is not None and now != before:
            yield write_event(now)
            before = now
        else:
            yield ": still here\n\n"
        await asyncio.sleep(REFRESH_SECONDS)
