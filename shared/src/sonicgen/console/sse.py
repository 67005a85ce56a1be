"""Server-sent events: what a job tells, with ids, so that a reader who comes back misses nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from uuid import UUID

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from sonicgen.console.finder import Finder
from sonicgen.steps.find_job import note_loss
from sonicgen.steps.services import services
from sonicgen.store import jobs

HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
# A job of this process tells when there is something new; of another instance it is looked at so often.
_LOOK_SECONDS = 0.4
# Silence for this long is broken by a comment, or a proxy takes the connection for dead.
_QUIET_SECONDS = 10.0


def job_stream(
    request: Request, finder: Finder, job_id: UUID, after: int, headers: Mapping[str, str]
) -> StreamingResponse:
    """Return a job's events after the one with the id `after`, as they come, to its end."""
    return StreamingResponse(
        _events(request, finder, job_id, after), media_type="text/event-stream", headers={**HEADERS, **headers}
    )


def write_event(data: object, *, event: str | None = None, identifier: int | None = None) -> str:
    """Return one event as the wire has it."""
    head = (f"id: {identifier}\n" if identifier is not None else "") + (f"event: {event}\n" if event else "")
    return f"{head}data: {json.dumps(data, ensure_ascii=False, default=str)}\n\n"


def last_event_id(request: Request) -> int:
    """Return which event a reader saw last, 0 for none; what is no id counts as none."""
    text = request.headers.get("last-event-id") or request.query_params.get("after", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


async def _events(request: Request, finder: Finder, job_id: UUID, after: int) -> AsyncIterator[str]:
    news = asyncio.Event()
    stop = finder.listen(job_id, asyncio.get_running_loop(), news)
    quiet = 0.0
    try:
        while not await request.is_disconnected():
            news.clear()
            found, is_over = await run_in_threadpool(_read, job_id, after)
            for one in found:
                yield write_event(one.data, event=one.event, identifier=one.id)
                after = one.id
            if is_over:
                return
            wait = _QUIET_SECONDS if finder.is_running_here(job_id) else _LOOK_SECONDS
            quiet = 0.0 if found else quiet + wait
            try:
                await asyncio.wait_for(news.wait(), wait)
            except TimeoutError:
                if quiet >= _QUIET_SECONDS:
                    quiet = 0.0
                    yield ": still at work\n\n"
    finally:
        stop()


def _read(job_id: UUID, after: int) -> tuple[list[jobs.JobEvent], bool]:
    """Return what is new and whether that is all; the end is read first, so that its events are among them."""
    is_over = note_loss(services(), jobs.get(services().database, job_id)).is_over
    return jobs.events_after(services().database, job_id, after), is_over
