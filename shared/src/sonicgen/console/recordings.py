"""Recordings: the library over HTTP, their sound and waveform, and what may be done with them."""

from __future__ import annotations

import re
from contextlib import ExitStack
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response, StreamingResponse

from sonicgen.console import forms
from sonicgen.console.access import Admin, Labeller, Viewer
from sonicgen.console.intake import take_in
from sonicgen.console.library import entry_json, read_library_cursor, write_library_cursor
from sonicgen.console.once import IdempotencyKey, answer_once
from sonicgen.console.paging import Cursor
from sonicgen.console.problems import ProblemError
from sonicgen.steps.add_link import add_link
from sonicgen.steps.add_recording import add_recording
from sonicgen.steps.find_job import clip_folder
from sonicgen.steps.forget_recording import forget_recording
from sonicgen.steps.recording_sound import open_sound, waveform_of
from sonicgen.steps.representation import recording_json
from sonicgen.steps.retry_recording import retry_recording
from sonicgen.steps.services import services
from sonicgen.store import library, recordings

router = APIRouter(tags=["recordings"])

State = Literal["waiting", "pending", "fingerprinted", "matched", "too_short", "flag"]
_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
_MOST_DIGITS = 18


@router.get("/v1/recordings", response_model=forms.RecordingPage)
def list_recordings(
    caller: Viewer,
    status: State | None = None,
    channel: str | None = None,
    title: Annotated[str | None, Query(max_length=200, description="A part of the title.")] = None,
    kind: library.Kind | None = None,
    sort: library.Order = "newest",
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Recordings with what belongs to each; `next` is the cursor of the following page, null on the last."""
    page = library.page(
        services().database,
        library.LibraryFilters(status, channel, title, kind),
        order=sort,
        limit=limit,
        cursor=read_library_cursor(cursor),
    )
    return {
        "recordings": [entry_json(entry) for entry in page.entries],
        "next": write_library_cursor(page.next_cursor),
    }


@router.post(
    "/v1/recordings",
    status_code=202,
    response_model=None,
    responses={202: {"description": "It is on its way; follow it under its `id`."}},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {"schema": {"$ref": "#/components/schemas/FindForm"}},
                "application/json": {"schema": {"type": "object", "properties": {"url": {"type": "string"}}}},
            },
        }
    },
)
async def add(request: Request, caller: Labeller, idempotency_key: IdempotencyKey = None) -> Response:
    """Add a recording: a `file`, or the `url` of one. Larger files go past the console: `POST /v1/uploads`."""
    with ExitStack() as stack:
        folder = stack.enter_context(clip_folder(services()))
        taken = await take_in(request, folder, services().settings.find_bytes)
        url = taken.fields.get("url")
        if taken.file is not None and taken.bytes:
            file = taken.file.rename(folder / (taken.name or "recording"))
            what: tuple[object, ...] = ("add", taken.name, taken.bytes)

            def work() -> dict[str, Any]:
                added = add_recording(services().settings, file)
                return {"id": str(added.recording_id), "created": added.created}

        elif isinstance(url, str) and url.strip():
            what = ("add", url)

            def work() -> dict[str, Any]:
                return {"id": str(add_link(services(), url.strip())), "created": True}

        else:
            raise ProblemError(400, "invalid_input", "Give a file or a url.")
        return await run_in_threadpool(answer_once, caller, idempotency_key, what, work, 202)


@router.get("/v1/recordings/{identifier}", response_model=forms.Recording)
def show_recording(identifier: UUID, caller: Viewer) -> dict[str, Any]:
    """One recording."""
    return recording_json(recordings.get(services().database, identifier))


@router.delete("/v1/recordings/{identifier}")
def forget(identifier: UUID, caller: Admin) -> dict[str, Any]:
    """Forget a recording for good, with its bytes, words and matches; its copies are judged anew."""
    forgotten = forget_recording(services(), recordings.get(services().database, identifier))
    return {"id": str(identifier), "judged_anew": [str(copy.id) for copy in forgotten.judged_anew]}


@router.post("/v1/recordings/{identifier}/retry", status_code=202, response_model=forms.Recording)
def retry(identifier: UUID, caller: Admin, idempotency_key: IdempotencyKey = None) -> Response:
    """Send a recording through fingerprinting and matching again."""

    def work() -> dict[str, Any]:
        retry_recording(services(), recordings.get(services().database, identifier))
        return recording_json(recordings.get(services().database, identifier))

    return answer_once(caller, idempotency_key, ("retry", identifier), work, 202)


@router.get("/v1/recordings/{identifier}/waveform")
def waveform(identifier: UUID, request: Request, caller: Viewer) -> Response:
    """How loud a recording is over its length: `levels` are 0 to 255, of equal stretches."""
    recording = recordings.get(services().database, identifier)
    etag = f'"{recording.generation}"'
    headers = {"ETag": etag, "Cache-Control": "private, max-age=3600"}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    made = waveform_of(services(), request.app.state.finder.workers, recording)
    return JSONResponse({"seconds": made.seconds, "levels": list(made.levels)}, headers=headers)


@router.get(
    "/v1/recordings/{identifier}/audio",
    response_class=StreamingResponse,
    responses={
        200: {"description": "All of it.", "content": {"audio/*": {}, "video/*": {}, "application/octet-stream": {}}},
        206: {"description": "The range that was asked for."},
    },
)
def audio(identifier: UUID, request: Request, caller: Viewer) -> Response:
    """A recording's own bytes, or a range of them, so that a player can jump to any second."""
    sound = open_sound(recordings.get(services().database, identifier))
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": sound.etag,
        "Cache-Control": "private, max-age=3600",
        # Bytes from strangers: whatever they are, a browser opens no page of ours with them.
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    wanted = request.headers.get("range")
    if request.headers.get("if-range", sound.etag) != sound.etag:
        wanted = None
    first, last, is_part = _read_range(wanted, sound.size_bytes)
    headers["Content-Length"] = str(last - first + 1)
    if is_part:
        headers["Content-Range"] = f"bytes {first}-{last}/{sound.size_bytes}"
    return StreamingResponse(
        sound.read(first, last), 206 if is_part else 200, headers=headers, media_type=sound.media_type
    )


def _read_range(text: str | None, size: int) -> tuple[int, int, bool]:
    """Return first byte, last byte, and whether that is a part; several ranges, or none that is one, are all of it.

    Raises ProblemError (416) for a range beyond the end.
    """
    found = _RANGE.fullmatch(text.strip()) if text else None
    if found is None or not any(found.groups()) or max(map(len, found.groups())) > _MOST_DIGITS:
        return 0, size - 1, False
    if not found[1]:
        length = min(size, int(found[2]))
        first, last = size - length, size - 1
    else:
        first, last = int(found[1]), min(size - 1, int(found[2])) if found[2] else size - 1
    if first >= size or first > last:
        raise ProblemError(
            416, "range_not_satisfiable", f"It has {size:,} bytes.", {"Content-Range": f"bytes */{size}"}
        )
    return first, last, True
