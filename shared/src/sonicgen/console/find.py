"""`POST /v1/find`: where is this clip from?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Header, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from sonicgen.console import forms
from sonicgen.console.access import Anyone, Caller
from sonicgen.console.finder import Finder, busy
from sonicgen.console.intake import Intake, take_in
from sonicgen.console.limits import check_allowance, take_allowance
from sonicgen.console.problems import ProblemError
from sonicgen.console.sse import job_stream
from sonicgen.steps.find_job import Question, check_link, clip_folder
from sonicgen.steps.find_upload import fetch_upload
from sonicgen.steps.sent_fingerprint import read_fingerprint
from sonicgen.steps.services import services
from sonicgen.store import jobs
from sonicgen.store.jobs import Job

router = APIRouter(tags=["find"])

_YES = frozenset({"true", "1", "yes", "on"})
LONGEST_KEY = 200
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": {"$ref": "#/components/schemas/FindForm"}},
            "application/json": {"schema": {"$ref": "#/components/schemas/FindRequest"}},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": forms.FindAnswer,
        "description": "The answer; as an event stream with `stream`, or `Accept: text/event-stream`.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
    202: {"model": forms.Job, "description": "The job, with `Prefer: respond-async`; its events tell the rest."},
}


@router.post("/v1/find", responses=_ANSWERS, openapi_extra=_BODY, response_model=None)
@router.post("/api/v1/identify", include_in_schema=False, response_model=None)
async def find(
    request: Request,
    caller: Anyone,
    idempotency_key: Annotated[str | None, Header(max_length=LONGEST_KEY)] = None,
    prefer: Annotated[str | None, Header(description="`respond-async`: answer with the job at once.")] = None,
) -> Response:
    """Say which recording a clip is from, and the second; nothing of the clip is kept.

    Give exactly one of: `file` (a form's part, or the body itself), `url`, `upload` (the id of a finished
    `POST /v1/uploads`), or `fingerprint` (hashes instead of sound). The answer comes plain, as an event stream, or as a
    job to be followed.
    """
    finder: Finder = request.app.state.finder
    await run_in_threadpool(check_allowance, caller)
    if finder.is_full():
        raise busy()
    with ExitStack() as stack:
        folder = stack.enter_context(clip_folder(services()))
        taken = await take_in(request, folder, services().settings.find_bytes)
        question = await run_in_threadpool(_read_question, taken, caller, folder)
        job, is_new, headers = await run_in_threadpool(_start, caller, question, idempotency_key, taken)
        running = None
        if is_new:
            running = finder.submit(job.id, question, _once(stack.pop_all().close))
    headers |= {"Location": f"/v1/jobs/{job.id}", "X-Job-Id": str(job.id)}
    if _wants_stream(request, taken):
        return job_stream(request, finder, job.id, 0, headers)
    if prefer is not None and "respond-async" in prefer:
        return JSONResponse(forms.job_json(job), 202, {**headers, "Preference-Applied": "respond-async"})
    if running is not None:
        await asyncio.wrap_future(running)
    return await _answer(job.id, headers)


async def _answer(job_id: UUID, headers: dict[str, str]) -> Response:
    """Return how a job ended; one of another instance is waited for."""
    while not (job := await run_in_threadpool(jobs.get, services().database, job_id)).is_over and not job.is_lost:
        await asyncio.sleep(0.2)
    if job.result is not None:
        return JSONResponse({**job.result, "job_id": str(job_id)}, headers=headers)
    problem = dict(
        job.problem or {"status": 503, "code": "worker_lost", "detail": "The work on it was lost; ask again."}
    )
    raise ProblemError(int(problem["status"]), str(problem["code"]), str(problem["detail"]), headers)


def _start(caller: Caller, question: Question, key: str | None, taken: Intake) -> tuple[Job, bool, dict[str, str]]:
    """Put the job on record and count it; the same key again gives the same job and counts nothing."""
    database = services().database
    if key is not None and (earlier := jobs.find_by_key(database, caller.owner, key)) is not None:
        if earlier.request.get("bytes") != taken.bytes or earlier.name != question.name:
            raise ProblemError(422, "idempotency_key_reused", "This Idempotency-Key was used for another question.")
        return earlier, False, {}
    headers = take_allowance(caller)
    request = {"kind": _kind(question), "url": question.url, "bytes": taken.bytes}
    job, is_new = jobs.start(
        database, uuid4(), "find", owner=caller.owner, name=question.name, request=request, idempotency_key=key
    )
    return job, is_new, headers


def _read_question(taken: Intake, caller: Caller, folder: Any) -> Question:
    """Return what is asked; raise ProblemError unless it is exactly one thing."""
    given = {name: taken.fields.get(name) for name in ("url", "upload", "fingerprint")}
    given = {name: value for name, value in given.items() if value not in (None, "")}
    if (taken.file is not None) + len(given) != 1:
        raise ProblemError(400, "invalid_input", "Give exactly one of: a file, a url, an upload, a fingerprint.")
    if taken.file is not None:
        if not taken.bytes:
            raise ProblemError(400, "unusable_media", "The file has no bytes.")
        return Question(taken.name or "clip", file=taken.file)
    if "url" in given:
        url = _text(given["url"], "url").strip()
        return Question(check_link(url), url=url)
    if "upload" in given:
        upload = _text(given["upload"], "upload")
        return Question(*fetch_upload(services(), _uuid(upload), caller.owner, folder / "upload"))
    name = taken.fields.get("name")
    shown = name[:LONGEST_KEY] if isinstance(name, str) and name else "fingerprint"
    return Question(shown, fingerprint=read_fingerprint(given["fingerprint"]))


def _wants_stream(request: Request, taken: Intake) -> bool:
    asked = taken.fields.get("stream", request.query_params.get("stream", ""))
    return str(asked).lower() in _YES or "text/event-stream" in request.headers.get("accept", "")


def _kind(question: Question) -> str:
    return "url" if question.url else "fingerprint" if question.fingerprint else "file"


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or "\x00" in value:
        raise ProblemError(400, "invalid_input", f"{name} is to be text.")
    return value


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise ProblemError(400, "invalid_input", "upload is to be the id of an upload.") from error


def _once(close: Callable[[], None]) -> Callable[[], None]:
    """Return a call that may be made twice."""
    closes = [close]
    return lambda: closes.pop()() if closes else None
