"""The older voice service's API, /biometric/api, over our own steps: its routes, parameters, answers and wrapper.

What was wrong with it is not kept: a threshold is a probability and belongs to the model, everybody who asks is known,
nobody is enrolled without consent, and a restart fails no job of another process.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.routing import APIRoute
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from sonicgen.console import voice_forms
from sonicgen.console.access import Caller, Labeller, Viewer
from sonicgen.console.problems import ProblemError
from sonicgen.domain.role import Role
from sonicgen.domain.speaker import EnrolmentReason, EnrolmentState
from sonicgen.domain.voice_job import UNKNOWN, VoiceJob, VoiceJobKind, VoiceJobStatus, VoiceSegment
from sonicgen.errors import InputError, NotFoundError, SettingsError, SonicGenError, TooLargeError, TransientError
from sonicgen.steps import enrolled_people, voice_jobs
from sonicgen.steps.enrol_speaker import ConsentGiven, enrol_speaker
from sonicgen.steps.forget_speaker import forget_speaker
from sonicgen.steps.services import services
from sonicgen.store import voice_jobs as job_store

logger = logging.getLogger(__name__)

PREFIX = "/biometric/api"
# How long `sync=true` waits; what takes longer is answered like a job that was asked for without it.
SYNC_SECONDS = 600.0
_ASK_AGAIN_SECONDS = 0.2
_BLOCK_BYTES = 1 << 18

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class _Wrapped(APIRoute):
    """Answers every error as the older service did: {"success": false, "data": null, "error": a sentence}."""

    def get_route_handler(self) -> Handler:
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except ProblemError as error:
                return _failed(error.status, str(error), error.headers)
            except SonicGenError as error:
                status = _status_of(error)
                return _failed(status, str(error), {"Retry-After": "5"} if status == 503 else {})
            except RequestValidationError as error:
                first = error.errors()[0]
                return _failed(422, f"{'.'.join(map(str, first['loc']))}: {first['msg']}.")
            except HTTPException as error:
                return _failed(error.status_code, str(error.detail), dict(error.headers or {}))
            except Exception:
                # What went wrong stands in the log alone: an exception's text may hold anything.
                logger.exception("A request failed: %s %s", request.method, request.url.path)
                return _failed(500, "Something went wrong here; the operator's log says what.")

        return answer


router = APIRouter(
    prefix=PREFIX,
    tags=["voice biometrics"],
    route_class=_Wrapped,
    responses={
        "4XX": {"model": voice_forms.Failure, "description": "The request cannot be answered as it is."},
        "5XX": {"model": voice_forms.Failure, "description": "Not now: try again."},
    },
)
_ACCEPTED: dict[int | str, dict[str, Any]] = {202: {"description": "The job waits; ask for it again."}}
_SOUND: dict[int | str, dict[str, Any]] = {200: {"description": "A WAV file.", "content": {"audio/wav": {}}}}


@router.post("/speakers/enroll", openapi_extra=voice_forms.ENROLMENT)
async def enroll(request: Request, caller: Labeller) -> JSONResponse:
    """Enrol a person: form fields `name`, `files` (ten seconds of speech each), `consent_by` and `consent_purpose`.

    Who has the name already is given more samples with `same_person=true`; otherwise the name is taken (409).
    """
    form = await voice_forms.read_form(request)
    try:
        name = voice_forms.text(form, "name", request)
        given_by, purpose = (voice_forms.text(form, field, request, "") for field in ("consent_by", "consent_purpose"))
        if not given_by or not purpose:
            raise InputError(
                "A voice is kept only with consent: send consent_by (who gave it) and consent_purpose (what for)."
            )
        consent = ConsentGiven(given_by, purpose, datetime.now(UTC))
        files = [file for field in ("files", "file") for file in form.getlist(field) if isinstance(file, UploadFile)]
        data = await run_in_threadpool(
            _enrol, name, files, consent, caller, voice_forms.flag(form, "same_person", request)
        )
    finally:
        await form.close()
    return _done(data)


@router.get("/speakers")
def list_speakers(
    caller: Viewer, offset: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=1, le=500)] = 50
) -> JSONResponse:
    """People with a name, in its order."""
    people, total = enrolled_people.list_people(services(), offset=offset, limit=limit)
    answer = _done([person.to_json() for person in people])
    answer.headers["X-Total-Count"] = str(total)
    return answer


@router.get("/speakers/{speaker_id}")
def show_speaker(speaker_id: UUID, caller: Viewer) -> JSONResponse:
    """One person, and how many vectors there are of them by which model; never the vectors themselves."""
    return _done(enrolled_people.find_person(services(), speaker_id).to_json(whole=True))


@router.delete("/speakers/{speaker_id}")
def delete_speaker(speaker_id: UUID, caller: Labeller) -> JSONResponse:
    """Forget a person with everything that was derived from their voice, and say what is left: nothing."""
    person = enrolled_people.find_person(services(), speaker_id)
    forgotten = forget_speaker(services(), person.speaker, by=caller.name)
    return _done({"id": str(speaker_id), "deleted": True, **forgotten.to_json()})


@router.post("/identify", responses=_ACCEPTED, openapi_extra=voice_forms.IDENTIFICATION)
async def identify(request: Request, caller: Viewer) -> JSONResponse:
    """Who speaks when in `file`: 202 with a job, or with `sync=true` the finished job.

    Also: `export_segments`, `num_speakers`, `threshold` (the least probability, between 0 and 1).
    """
    return await _submit(request, caller, VoiceJobKind.IDENTIFY)


@router.post("/diarize", responses=_ACCEPTED, openapi_extra=voice_forms.DIARIZATION)
async def diarize(request: Request, caller: Viewer) -> JSONResponse:
    """Who speaks when in `file`, without names; the parameters are those of /identify but for `threshold`."""
    return await _submit(request, caller, VoiceJobKind.DIARIZE)


@router.get("/jobs")
def list_jobs(
    caller: Viewer, offset: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=1, le=500)] = 50
) -> JSONResponse:
    """One's own jobs, newest first; an admin sees everybody's."""
    jobs = job_store.newest(services().database, owner=_owner(caller), offset=offset, limit=limit)
    return _done([_job_json(job) for job in jobs])


@router.get("/jobs/{job_id}")
def show_job(job_id: UUID, caller: Viewer) -> JSONResponse:
    """One job, with its segments when it is done."""
    return _done(_job_json(job_store.get(services().database, job_id, owner=_owner(caller))))


@router.get("/segments/{job_id}/audio/{segment_id}", response_class=StreamingResponse, responses=_SOUND)
def segment_audio(job_id: UUID, segment_id: UUID, caller: Viewer) -> Response:
    """The sound of one segment, as a WAV file."""
    job = job_store.get(services().database, job_id, owner=_owner(caller))
    with ExitStack() as stack:
        sound = stack.enter_context(voice_jobs.segment_sound(services(), job, segment_id))
        size = sound.seek(0, 2)
        sound.seek(0)
        kept = stack.pop_all()

    def blocks() -> Iterator[bytes]:
        with kept:
            while block := sound.read(_BLOCK_BYTES):
                yield block

    headers = {"Content-Length": str(size), "Content-Disposition": f'inline; filename="{segment_id}.wav"'}
    return StreamingResponse(blocks(), headers={**headers, "Cache-Control": "private"}, media_type="audio/wav")


async def _submit(request: Request, caller: Caller, kind: VoiceJobKind) -> JSONResponse:
    form = await voice_forms.read_form(request)
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise InputError("Send the recording as the form's field `file`.")
        asked = voice_jobs.Asked(
            kind,
            exports_segments=voice_forms.flag(form, "export_segments", request),
            num_speakers=voice_forms.number(form, "num_speakers", request, 1, 30),
            least_probability=voice_forms.threshold(form, request) if kind is VoiceJobKind.IDENTIFY else None,
        )
        is_sync = voice_forms.flag(form, "sync", request)
        job = await run_in_threadpool(_begin, asked, file, caller)
    finally:
        await form.close()
    deadline = time.monotonic() + SYNC_SECONDS
    while is_sync and not job.status.is_final and time.monotonic() < deadline:
        await asyncio.sleep(_ASK_AGAIN_SECONDS)
        if await request.is_disconnected():
            break
        job = await run_in_threadpool(job_store.get, services().database, job.id)
    return _done(_job_json(job), 200 if job.status.is_final else 202)


def _begin(asked: voice_jobs.Asked, file: UploadFile, caller: Caller) -> VoiceJob:
    with TemporaryDirectory(prefix="sonicgen-voice-") as folder:
        path = voice_forms.save_file(file, Path(folder) / "input")
        return voice_jobs.submit(services(), asked, path, file.filename or "recording", owner=caller.owner)


def _enrol(
    name: str, files: list[UploadFile], consent: ConsentGiven, caller: Caller, is_same_person: bool
) -> dict[str, Any]:
    with TemporaryDirectory(prefix="sonicgen-enrol-") as folder:
        saved = [
            (voice_forms.save_file(file, Path(folder) / str(n)), file.filename or f"file {n + 1}")
            for n, file in enumerate(files)
        ]
        done = enrol_speaker(services(), name, saved, consent, by=caller.name, is_same_person=is_same_person)
    if done.state is not EnrolmentState.ENROLLED or done.speaker_id is None:
        reasons = [f"{sample.file_name}: {sample.explain()}" for sample in done.samples if sample.reason]
        status = 409 if done.reason in (EnrolmentReason.NAME_TAKEN, EnrolmentReason.SAME_FILE) else 422
        raise ProblemError(status, str(done.reason), " ".join(reasons) or done.explain())
    person = enrolled_people.find_person(services(), done.speaker_id)
    return {
        "speaker": person.to_json(),
        "embeddings_added": enrolled_people.added_by(services(), done.speaker_id, done.id),
        "total_duration_sec": round(sum(sample.duration_seconds or 0.0 for sample in done.samples), 3),
    }


def _owner(caller: Caller) -> str | None:
    return None if caller.role.includes(Role.ADMIN) else caller.owner


def _job_json(job: VoiceJob) -> dict[str, Any]:
    """Return a job in the older service's form; what is not known yet is null."""
    told: dict[str, Any] = {
        "id": str(job.id),
        "type": str(job.kind),
        "status": str(job.status),
        "duration_sec": job.duration_seconds,
        "num_speakers": job.num_speakers,
        "diarizer_backend": job.diarizer,
        "model": job.model,
        "thresholds": job.thresholds,
        "error": job.error,
        "created_at": job.created_at.isoformat(),
        "completed_at": job.completed_at.isoformat() if job.completed_at else None,
    }
    if job.status is VoiceJobStatus.DONE:
        told["segments"] = [_segment_json(job, segment) for segment in job.segments]
    return told


def _segment_json(job: VoiceJob, segment: VoiceSegment) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": str(segment.id),
        "diarization_label": segment.label,
        "start_sec": round(segment.start_seconds, 3),
        "end_sec": round(segment.end_seconds, 3),
        "has_audio": segment.audio_object is not None,
        "audio_url": f"/segments/{job.id}/audio/{segment.id}" if segment.audio_object else None,
    }
    if job.kind is VoiceJobKind.IDENTIFY:
        told |= {
            "matched_speaker_id": str(segment.speaker_id) if segment.speaker_id else None,
            "matched_name": segment.name or UNKNOWN,
            "confidence": None if segment.confidence is None else round(segment.confidence, 4),
            "outcome": segment.outcome,
        }
    return told


def _done(data: Any, status: int = 200) -> JSONResponse:
    return JSONResponse({"success": True, "data": data, "error": None}, status)


def _failed(status: int, sentence: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"success": False, "data": None, "error": sentence}, status, headers)


def _status_of(error: SonicGenError) -> int:
    if isinstance(error, NotFoundError):
        return 404
    if isinstance(error, TooLargeError):
        return 413
    if isinstance(error, TransientError | SettingsError):  # there is no embedder, say
        return 503
    return 422 if isinstance(error, InputError) else 500
