"""Jobs: how far they are, what came out, and what they tell while they are at work."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from sonicgen.console import forms
from sonicgen.console.access import Anyone, Caller
from sonicgen.console.paging import Cursor, read_page_cursor, write_cursor
from sonicgen.console.problems import ProblemError
from sonicgen.console.sse import job_stream, last_event_id
from sonicgen.domain.role import Role
from sonicgen.steps.find_job import cancel, note_loss
from sonicgen.steps.reject_answer import reject_answer, undo_rejection
from sonicgen.steps.services import services
from sonicgen.store import jobs

router = APIRouter(tags=["jobs"])


@router.get("/v1/jobs", response_model=forms.JobPage)
def list_jobs(
    caller: Anyone,
    state: Literal["running", "done", "failed", "cancelled"] | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """One's own jobs, newest first; an administrator sees all."""
    owner = None if caller.role is Role.ADMIN else caller.owner
    page = jobs.newest(services().database, owner=owner, state=state, limit=limit, cursor=read_page_cursor(cursor))
    return {"jobs": [forms.job_json(job) for job in page.jobs], "next": write_cursor(page.next_cursor)}


@router.get("/v1/jobs/{identifier}", response_model=forms.Job)
def show_job(identifier: UUID, caller: Anyone) -> dict[str, Any]:
    """One job with its result. Its id is not to be guessed: who has it may see it."""
    return forms.job_json(note_loss(services(), jobs.get(services().database, identifier)))


@router.get(
    "/v1/jobs/{identifier}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def follow_job(identifier: UUID, request: Request, caller: Anyone) -> StreamingResponse:
    """What a job tells, as server-sent events; `Last-Event-ID` (or `?after=`) goes on where a reader was cut off."""
    await run_in_threadpool(jobs.get, services().database, identifier)
    return job_stream(request, request.app.state.finder, identifier, last_event_id(request), {})


@router.delete("/v1/jobs/{identifier}", response_model=forms.Job)
def cancel_job(identifier: UUID, request: Request, caller: Anyone) -> dict[str, Any]:
    """Stop a job of one's own; one that is over stays as it is."""
    _check_own(jobs.get(services().database, identifier), caller)
    cancel(services(), identifier, caller.name)
    request.app.state.finder.notify(identifier)
    return forms.job_json(jobs.get(services().database, identifier))


@router.post("/v1/jobs/{identifier}/rejections", status_code=201, response_model=forms.Rejection)
def reject(identifier: UUID, body: forms.RejectRequest, caller: Anyone) -> dict[str, Any]:
    """Say that a candidate is not where the clip is from; kept as a decision, which can be undone."""
    job = jobs.get(services().database, identifier)
    _check_own(job, caller)
    decision = reject_answer(services(), job, body.video_id, decided_by=caller.name)
    return forms.decision_json(decision)


@router.delete("/v1/jobs/{identifier}/rejections/{decision}", response_model=forms.Rejection)
def take_back(identifier: UUID, decision: UUID, caller: Anyone) -> dict[str, Any]:
    """Take back what was said of a candidate."""
    job = jobs.get(services().database, identifier)
    _check_own(job, caller)
    return forms.decision_json(undo_rejection(services(), job, decision))


def _check_own(job: jobs.Job, caller: Caller) -> None:
    if job.owner != caller.owner and not caller.role.includes(Role.LABELLER):
        raise ProblemError(403, "not_allowed", "This job is somebody else's.")
