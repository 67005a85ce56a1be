"""Get a transcript that is over, keep the provider's answer, store its words, book what it cost, announce it."""

from __future__ import annotations

import json
import logging
import tempfile
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from sonicgen.cloud.ledger_entry import Outcome
from sonicgen.cloud.objects import delete_object, upload_file
from sonicgen.cloud.once import run_once
from sonicgen.domain.transcript import Transcript, TranscriptReason, TranscriptState, Utterance
from sonicgen.errors import ConflictError, InputError, NotFoundError, SettingsError, SonicGenError, UnavailableError
from sonicgen.events.transcript_completed import TranscriptCompleted
from sonicgen.log import log, log_context
from sonicgen.services.transcriber import Job
from sonicgen.speech.parts import restore
from sonicgen.speech.words import lines_of
from sonicgen.steps.prices import price_of
from sonicgen.steps.services import Services
from sonicgen.steps.transcript_inherit import Own, announce, settle
from sonicgen.steps.transcription_submit import poll_after
from sonicgen.store import costs, transcripts, utterances
from sonicgen.store.database import Connection

logger = logging.getLogger(__name__)

FUNCTION = "transcript_fetch"
AWAITED = frozenset({TranscriptState.SUBMITTING, TranscriptState.SUBMITTED, TranscriptState.PROCESSING})


def transcript_fetch(services: Services, event: TranscriptCompleted) -> Outcome:
    """Do what a callback asks for, once. A job that is not ours, or whose recording was forgotten, is noted and left.

    Raises TransientError when the event must come again.
    """

    def work(_: object) -> dict[str, object]:
        transcript = transcripts.by_submission(services.database, event.provider_id, event.submit_key)
        if transcript is None:
            log(logger, "A callback for an unknown transcript.", job_id=event.provider_id)
            return {"state": "unknown", "provider_id": event.provider_id}
        job_id = transcript.provider_id or event.provider_id
        if transcript.state in AWAITED and job_id is None:
            raise UnavailableError("The submission's answer is not stored yet; the event comes again.")
        with log_context(recording_id=str(transcript.video_id)):
            fetched = fetch(services, transcript, job_id) if transcript.state in AWAITED and job_id else transcript
            if fetched is None:
                return {"state": "forgotten", "provider_id": event.provider_id}
            if fetched.state in AWAITED:
                raise UnavailableError("The provider called, but is not done; the event comes again.")
            announce(services, fetched)
            return {"state": str(fetched.state), "recording_id": str(fetched.video_id)}

    with log_context(event_id=event.id):
        return run_once(services.ledger, FUNCTION, event.id, work)


def fetch(services: Services, transcript: Transcript, job_id: str) -> Transcript | None:
    """Ask the provider for a job and store what it says; return the transcript, None when it was forgotten.

    Still `submitted` or `processing` when the job is not over. Raises TransientError.
    """
    if transcript.provider is None:
        raise UnavailableError("The submission is being noted; try again.")
    try:
        job = services.transcriber(transcript.provider).fetch(job_id)
    except SettingsError:
        raise
    except NotFoundError as error:
        return _fail(services, transcript, TranscriptReason.PROVIDER_LOST, str(error))
    except InputError as error:
        return _fail(services, transcript, TranscriptReason.PROVIDER_ERROR, str(error))
    if transcript.provider_id is None:
        if job.audio_url != transcript.audio_url and str(transcript.submit_key) not in str(job.raw.get("webhook_url")):
            raise InputError(f"The job {job_id} is of another sound than the submission it names.")
        transcript = _adopt(services, transcript, job_id)
    if job.status in ("queued", "processing"):
        return _ask_later(services, transcript, job)
    if job.status == "error" and not job.is_without_speech:
        return _fail(services, transcript, TranscriptReason.PROVIDER_ERROR, job.error or "It does not say why.")
    return _store(services, transcript, job)


def read_lines(job: Job, transcript: Transcript) -> list[Utterance]:
    """Return a job's lines with times of the recording; without utterances, lines of its words with no speakers."""
    lines = list(job.lines) or lines_of([replace(word, speaker=None) for word in job.words])
    spoken = [line for line in lines if line.text.strip()]
    return [replace(line, language=job.language) for line in restore(spoken, transcript.parts)]


def _adopt(services: Services, transcript: Transcript, job_id: str) -> Transcript:
    """Store the name of a job whose callback came before the submission's answer was stored."""
    with services.database.transaction() as connection:
        transcripts.finish_submission(connection, transcript, job_id, poll_after_seconds=poll_after(services))
    return replace(transcript, provider_id=job_id, state=TranscriptState.SUBMITTED)


def _ask_later(services: Services, transcript: Transcript, job: Job) -> Transcript | None:
    with services.database.transaction() as connection:
        transcripts.poll_again(
            connection, transcript, is_processing=job.status == "processing", after_seconds=poll_after(services)
        )
        return transcripts.lock(connection, transcript.video_id)


def _fail(services: Services, transcript: Transcript, reason: TranscriptReason, detail: str) -> Transcript | None:
    with services.database.transaction() as connection:
        locked = _lock_awaited(connection, transcript)
        if locked is None or locked.state not in AWAITED:
            return locked
        failed = transcripts.finish(
            connection, locked, TranscriptState.FAILED, reason, detail=f"It says: {detail}", is_changed=True
        )
    announce(services, failed)
    return failed


def _store(services: Services, transcript: Transcript, job: Job) -> Transcript | None:
    name = f"transcripts/{transcript.video_id}/{job.id}.json"
    _keep_raw(services.settings.media_bucket, name, job)
    with services.database.transaction() as connection:
        locked = _lock_awaited(connection, transcript)
        if locked is not None and locked.state in AWAITED:
            lines = read_lines(job, locked)
            utterances.replace_own(connection, locked, lines)
            _book(services, connection, locked, job)
            has_speakers = any(line.speaker for line in lines)
            own = Own(job.id, name, job.language, job.speech_model, has_speakers)
            locked = settle(services, connection, locked, own)
    if locked is None:  # forgotten while its words were on their way
        delete_object(services.settings.media_bucket, name, missing_ok=True)
        return None
    announce(services, locked)
    if locked.audio_object is not None:
        with suppress(SonicGenError):  # the retention sweep finds it
            delete_object(services.settings.media_bucket, locked.audio_object, missing_ok=True)
    return locked


def _lock_awaited(connection: Connection, transcript: Transcript) -> Transcript | None:
    """Return the transcript, locked; None when it, or this submission of it, is gone."""
    locked = transcripts.lock(connection, transcript.video_id)
    return locked if locked is not None and locked.submit_key == transcript.submit_key else None


def _book(services: Services, connection: Connection, transcript: Transcript, job: Job) -> None:
    if job.status != "completed" or transcript.provider is None:
        return  # what ends in an error is not charged
    costs.book(
        connection,
        f"transcribed:{job.id}",
        transcript.video_id,
        "transcribed",
        transcript.paid_seconds,
        day=datetime.now(UTC).date(),
        price=price_of(services.settings, transcript.provider),
        provider=transcript.provider,
    )


def _keep_raw(bucket: str, name: str, job: Job) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "raw.json"
        path.write_text(json.dumps(job.raw, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
        with suppress(ConflictError):  # kept by an earlier try; the provider's words on its delivery differ by then
            upload_file(bucket, name, path, content_type="application/json")
