"""Send what is new in a recording to be transcribed, and let it inherit the rest.

Money is spent by one call that the provider cannot recognise when it is repeated. So it is written down before it is
made, with the address of the uploaded sound, which is different for every upload. When the answer is lost (a crash, a
connection that breaks), the transcript stands as `submitting` until the provider's list of jobs has told whether there
is one for that address: then it is adopted, otherwise it is sent again.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, cast
from uuid import UUID, uuid4

from sonicgen.cloud.ledger_entry import Outcome
from sonicgen.cloud.objects import describe_object, open_object, upload_file
from sonicgen.cloud.once import run_once
from sonicgen.domain.recording import MatchStatus, Recording
from sonicgen.domain.transcript import Part, Transcript, TranscriptReason, TranscriptState
from sonicgen.errors import ConflictError, InputError, MediaError, NotFoundError, SettingsError, UnavailableError
from sonicgen.events.recording_fingerprinted import RecordingFingerprinted
from sonicgen.log import log, log_context
from sonicgen.sound.cut import SILENT_PEAK, write_stretches
from sonicgen.speech.budget import read_budget
from sonicgen.speech.parts import GAP_SECONDS, lay_out, submitted_seconds
from sonicgen.steps.prices import price_of
from sonicgen.steps.services import Services
from sonicgen.steps.transcript_inherit import announce, inherit_words
from sonicgen.steps.transcription_plan import make_plan
from sonicgen.store import matches, recordings, transcripts
from sonicgen.store.database import Connection

logger = logging.getLogger(__name__)

FUNCTION = "transcription_submit"
# What the work on a recording enters, in this order; the tests kill it in each.
STEPS = ("planning", "cutting", "uploading", "noting", "calling", "called", "finishing")
# A submission whose answer is missing this long after it was noted is over on our side, and in the provider's list.
SETTLE_SECONDS = 90.0

StepListener = Callable[[str], None]
_LISTENED = frozenset({MatchStatus.FINGERPRINTED, MatchStatus.MATCHED})


def transcription_submit(
    services: Services, event: RecordingFingerprinted, enter: StepListener | None = None
) -> Outcome:
    """Plan a decided recording's transcript, once, and send what has to be sent.

    `enter` is told each step as it begins. Raises TransientError when the event must come again.
    """

    def work(_: object) -> dict[str, object]:
        transcript = transcribe(services, event.recording_id, enter or _log_step)
        return {"recording_id": str(event.recording_id), "state": str(transcript.state) if transcript else None}

    with log_context(event_id=event.id, recording_id=str(event.recording_id)):
        return run_once(services.ledger, FUNCTION, event.id, work)


def transcribe(services: Services, recording_id: UUID, enter: StepListener | None = None) -> Transcript | None:
    """Bring a recording's transcript as far as it can get now; None when it is to have none.

    Safe to repeat and to run beside itself. Raises TransientError when it must be tried again.
    """
    enter = enter or _log_step
    enter("planning")
    recording = recordings.find(services.database, recording_id)
    if recording is None or recording.match_status not in _LISTENED:
        return None  # forgotten, being read anew, or without sound
    transcript = _plan(services, recording)
    if transcript is not None and transcript.state is TranscriptState.SUBMITTING:
        transcript = settle_submission(services, transcript)
    if transcript is None:
        return None
    if transcript.state is TranscriptState.PLANNED and transcript.parts:
        if services.settings.transcription_provider is None:
            _skip(services, transcript)
        else:
            _submit(services, recording, transcript, enter)
    enter("finishing")
    return inherit_words(services, recording_id)


def settle_submission(services: Services, transcript: Transcript) -> Transcript | None:
    """Find out what became of a submission whose answer is missing: adopt its job, or go back to planned.

    Raises UnavailableError while it is too early to tell.
    """
    if transcript.provider is None or transcript.audio_url is None or transcript.submitted_at is None:
        raise UnavailableError("The submission is being noted; try again.")
    job_id = services.transcriber(transcript.provider).find_job(transcript.audio_url, transcript.submitted_at)
    if job_id is None and datetime.now(UTC) - transcript.submitted_at < timedelta(seconds=SETTLE_SECONDS):
        raise UnavailableError("The submission's answer was lost and the provider has no such job yet; try again.")
    with services.database.transaction() as connection:
        if job_id is None:
            transcripts.withdraw_submission(connection, transcript)
        else:
            transcripts.finish_submission(connection, transcript, job_id, poll_after_seconds=poll_after(services))
        log(logger, "A lost submission was settled.", job_id=job_id, recording_id=str(transcript.video_id))
        return transcripts.lock(connection, transcript.video_id)


def poll_after(services: Services) -> float:
    """Return after how many seconds a provider is asked that has not called."""
    return services.settings.transcription_poll_seconds


def _log_step(step: str) -> None:
    log(logger, f"Step: {step}", step=step)


def _plan(services: Services, recording: Recording) -> Transcript | None:
    found = matches.of(services.database, recording.id)
    with services.database.transaction() as connection:
        # Two recordings may each hold a stretch of the other's. One that waits for this one has no words to give: what
        # they have in common is sent with this one.
        others = {match.reference_id for match in found} | {recording.original_video_id}
        waiting = {other for other in others if other and transcripts.awaits(connection, other, recording.id)}
        if recording.original_video_id in waiting:
            recording = replace(recording, original_video_id=None)
        plan = make_plan(recording, [match for match in found if match.reference_id not in waiting])
        parts = lay_out(plan.sent)
        made = transcripts.plan(
            connection,
            recording.id,
            parts=parts,
            paid_seconds=submitted_seconds(parts),
            omitted_seconds=plan.omitted_seconds,
            sources=plan.sources,
        )
        return made or transcripts.lock(connection, recording.id)


def _skip(services: Services, transcript: Transcript) -> None:
    with services.database.transaction() as connection:
        transcripts.finish(
            connection,
            transcript,
            TranscriptState.SKIPPED,
            TranscriptReason.TURNED_OFF,
            detail=f"({services.settings.explain_transcription()})",
        )


def _submit(services: Services, recording: Recording, transcript: Transcript, enter: StepListener) -> None:
    provider = services.settings.transcription_provider
    assert provider is not None  # noqa: S101 - the caller has looked
    transcriber = services.transcriber(provider)
    with tempfile.TemporaryDirectory() as folder:
        enter("cutting")
        try:
            path, parts = _cut(recording, transcript, Path(folder))
        except NotFoundError:
            return _end(services, transcript, TranscriptState.FAILED, TranscriptReason.AUDIO_GONE)
        except MediaError as error:
            return _end(services, transcript, TranscriptState.FAILED, TranscriptReason.AUDIO_GONE, str(error))
        if not parts:
            with services.database.transaction() as connection:
                return transcripts.omit_parts(connection, transcript)
        if _is_over_budget(services, transcript, provider, submitted_seconds(parts)):
            return None  # before the upload, which may take long; it is looked at again when it counts
        enter("uploading")
        name = f"novel/{recording.id}/{_digest(path)}.flac"
        _keep(services.settings.media_bucket, name, path)
        audio_url = transcriber.upload(path)
    enter("noting")
    with services.database.transaction() as connection:
        if _refuse_over_budget(services, connection, transcript, provider, submitted_seconds(parts)):
            return None
        noted = transcripts.begin_submission(
            connection,
            transcript,
            provider=provider,
            submit_key=uuid4(),
            audio_object=name,
            audio_url=audio_url,
            parts=parts,
            paid_seconds=submitted_seconds(parts),
            omitted_seconds=transcript.omitted_seconds + _seconds(transcript.parts) - _seconds(parts),
            poll_after_seconds=SETTLE_SECONDS,
        )
    return _call(services, noted, enter)


def _call(services: Services, noted: Transcript, enter: StepListener) -> None:
    assert noted.provider is not None  # noqa: S101 - it was noted
    assert noted.audio_url is not None  # noqa: S101
    assert noted.submit_key is not None  # noqa: S101
    enter("calling")
    try:
        job_id = services.transcriber(noted.provider).submit(noted.audio_url, noted.submit_key)
    except SettingsError:
        # Refused before anything was ordered: to be sent when the key is right.
        with services.database.transaction() as connection:
            transcripts.withdraw_submission(connection, noted)
        raise
    except InputError as error:
        return _end(services, noted, TranscriptState.FAILED, TranscriptReason.PROVIDER_REFUSED, str(error))
    enter("called")
    with services.database.transaction() as connection:
        transcripts.finish_submission(connection, noted, job_id, poll_after_seconds=poll_after(services))
    log(logger, "Sent to be transcribed.", job_id=job_id, seconds=noted.paid_seconds)
    return None


def _cut(recording: Recording, transcript: Transcript, folder: Path) -> tuple[Path, tuple[Part, ...]]:
    """Write the sound to be submitted; return it and the parts in it, without those that are silent."""
    ranges = [(part.start_seconds, part.start_seconds + part.seconds) for part in transcript.parts]
    path = folder / "novel.flac"
    with open_object(recording.bucket, recording.object_name, recording.generation) as stream:
        peaks = write_stretches(cast(BinaryIO, stream), ranges, path, gap_seconds=GAP_SECONDS)
        audible = [each for each, peak in zip(ranges, peaks, strict=True) if peak > SILENT_PEAK]
        if len(audible) < len(ranges) and audible:
            write_stretches(cast(BinaryIO, stream), audible, path, gap_seconds=GAP_SECONDS)
    return path, lay_out(audible)


def _keep(bucket: str, name: str, path: Path) -> None:
    try:
        upload_file(bucket, name, path, content_type="audio/flac")
    except ConflictError as conflict:
        try:
            describe_object(bucket, name)  # written by another version of the encoder: the same sound
        except NotFoundError:
            raise conflict from None  # it was there a moment ago: to be written anew, not a failure for good


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def _seconds(parts: tuple[Part, ...]) -> float:
    return sum(part.seconds for part in parts)


def _is_over_budget(services: Services, transcript: Transcript, provider: str, seconds: float) -> bool:
    with services.database.transaction() as connection:
        return _refuse_over_budget(services, connection, transcript, provider, seconds)


def _refuse_over_budget(
    services: Services, connection: Connection, transcript: Transcript, provider: str, seconds: float
) -> bool:
    """Set the transcript aside when a budget does not allow it; whether that was so."""
    settings = services.settings
    of_day = read_budget(settings.transcription_budget, "SONICGEN_TRANSCRIPTION_BUDGET")
    of_channel = read_budget(settings.channel_budget, "SONICGEN_CHANNEL_BUDGET")
    if of_day is None and of_channel is None:
        return False
    price = price_of(settings, provider).per_hour
    spent = transcripts.lock_budget(connection, transcript.video_id, day_start())
    if of_day is not None and not of_day.allows(spent.day_seconds, seconds, price):
        reason = TranscriptReason.DAY_BUDGET
    elif of_channel is not None and not of_channel.allows(spent.channel_seconds, seconds, price):
        reason = TranscriptReason.CHANNEL_BUDGET
    else:
        return False
    detail = f"It needs {seconds / 3600:.2f} h; {spent.day_seconds / 3600:.2f} h were sent today."
    transcripts.finish(connection, transcript, TranscriptState.OVER_BUDGET, reason, detail=detail)
    return True


def day_start() -> datetime:
    """Return when the present day began, in UTC."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _end(
    services: Services,
    transcript: Transcript,
    state: TranscriptState,
    reason: TranscriptReason,
    detail: str | None = None,
) -> None:
    with services.database.transaction() as connection:
        ended = transcripts.finish(connection, transcript, state, reason, detail=detail, is_changed=True)
    announce(services, ended)
