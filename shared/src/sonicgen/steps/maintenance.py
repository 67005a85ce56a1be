"""What has to be looked after whether events come or not: every sweep is apart from the others, and safe to repeat."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from sonicgen.cloud.objects import delete_object
from sonicgen.domain.transcript import Transcript, TranscriptState
from sonicgen.errors import SonicGenError
from sonicgen.log import log
from sonicgen.steps.enrol_speaker import clean_interrupted
from sonicgen.steps.find_upload import sweep_uploads
from sonicgen.steps.forget_speaker import finish_erasures
from sonicgen.steps.pack_index import is_due, pack_index
from sonicgen.steps.poll_sources import poll_due_sources
from sonicgen.steps.re_embed import keep_models_moving
from sonicgen.steps.retry_downloads import retry_due_downloads
from sonicgen.steps.retry_recording import retry_recording
from sonicgen.steps.services import Services
from sonicgen.steps.speaker_clips import cut_clips
from sonicgen.steps.speaker_identify import identify_recording
from sonicgen.steps.tell_webhooks import deliver_due
from sonicgen.steps.transcript_fetch import fetch
from sonicgen.steps.transcript_inherit import inherit_words
from sonicgen.steps.transcription_submit import day_start, settle_submission, transcribe
from sonicgen.steps.voice_jobs import remove_old_jobs, tell_lost_jobs
from sonicgen.store import idempotency, jobs, rate_limits, recordings, speakers, transcripts, voices, webhooks

logger = logging.getLogger(__name__)

# Of each kind, in one run; the next run goes on.
_AT_ONCE = 50
# A transcript that was planned and not sent after this long has lost its worker.
_UNSENT_SECONDS = 600.0
# An original whose words are awaited longer than this may never have been asked for: it was added before transcription
# was turned on.
_WAITING_SECONDS = 1800.0
# Longer than any recording takes to be read; its event was lost with whoever held it.
_PENDING_SECONDS = 6 * 3600.0

Sweep = Callable[[Services], int]


@dataclass(frozen=True, slots=True)
class SweepResult:
    """What a sweep did: `count` things, or why not."""

    name: str
    count: int
    seconds: float
    error: str | None = None


def maintain(services: Services, sweeps: tuple[tuple[str, Sweep], ...] | None = None) -> list[SweepResult]:
    """Run every sweep, whatever becomes of the others; return what each did."""
    return [_run(services, name, sweep) for name, sweep in (SWEEPS if sweeps is None else sweeps)]


def _run(services: Services, name: str, sweep: Sweep) -> SweepResult:
    started = time.monotonic()
    count, failure = 0, None
    try:
        count = sweep(services)
    except Exception as error:
        failure = f"{type(error).__name__}: {error}"
        logger.exception("The sweep “%s” failed", name, exc_info=not isinstance(error, SonicGenError))
    seconds = round(time.monotonic() - started, 3)
    if count:
        log(logger, f"Swept: {name}", count=count, seconds=seconds)
    return SweepResult(name, count, seconds, failure)


def settle_lost_callbacks(services: Services) -> int:
    """Ask the provider about every transcript that is due: callbacks that were lost, answers that never arrived."""
    due = transcripts.due_for_poll(services.database, _AT_ONCE)
    return _each(due, lambda transcript: _settle(services, transcript))


def _settle(services: Services, transcript: Transcript) -> None:
    settled: Transcript | None = transcript
    if transcript.state is TranscriptState.SUBMITTING:
        settled = settle_submission(services, transcript)
    if settled is None:
        return
    if settled.state is TranscriptState.PLANNED:
        transcribe(services, settled.video_id)
    elif settled.provider_id is not None:
        fetch(services, settled, settled.provider_id)


def send_unsent(services: Services) -> int:
    """Send what was planned and left, and what was over the budget of a day that is over."""
    unsent = transcripts.unsent(services.database, older_than_seconds=_UNSENT_SECONDS, day=day_start(), limit=_AT_ONCE)
    return _each(unsent, lambda transcript: _send(services, transcript))


def _send(services: Services, transcript: Transcript) -> None:
    with services.database.transaction() as connection:
        transcripts.plan_again(connection, transcript)
    transcribe(services, transcript.video_id)


def help_waiting(services: Services) -> int:
    """See to transcripts that have waited long: their originals are asked for when nobody has."""
    waiting = transcripts.stale_waiting(services.database, older_than_seconds=_WAITING_SECONDS, limit=_AT_ONCE)
    return _each(waiting, lambda transcript: _help(services, transcript))


def _help(services: Services, transcript: Transcript) -> None:
    with services.database.transaction() as connection:
        sources = transcripts.sources_of(connection, transcript)
    for source_id in dict.fromkeys(s.source.source_id for s in sources if s.is_decided and s.state is None):
        transcribe(services, source_id)
    inherit_words(services, transcript.video_id)


def look_for_voices(services: Services) -> int:
    """Cut the clips of transcripts whose event was lost, or that were there before voices were listened to."""
    if not services.settings.hears_voices:
        return 0
    unread = voices.unread(services.database, older_than_seconds=_UNSENT_SECONDS, limit=_AT_ONCE)
    return _each_recording(unread, lambda video_id: cut_clips(services, video_id))


def listen_to_clips(services: Services) -> int:
    """Identify voices whose event was lost, or whose embedder did not answer for long."""
    if not services.settings.hears_voices:
        return 0
    unheard = voices.unheard(services.database, older_than_seconds=_UNSENT_SECONDS, limit=_AT_ONCE)
    return _each_recording(unheard, lambda video_id: identify_recording(services, video_id))


def tidy_speakers(services: Services) -> int:
    """End what was interrupted: enrolments, erasures; remove groups that every voice has left."""
    with services.database.transaction() as connection:
        speakers.lock(connection)
        gone = speakers.delete_empty_groups(connection, older_than_seconds=_WAITING_SECONDS)
    return len(gone) + clean_interrupted(services) + finish_erasures(services)


def retry_pending(services: Services) -> int:
    """Send recordings again that nobody works on any more."""
    lost = recordings.pending_since(services.database, seconds=_PENDING_SECONDS, limit=_AT_ONCE)
    for recording in lost:
        retry_recording(services, recording)
    return len(lost)


def pack(services: Services) -> int:
    """Pack the index when enough has come."""
    return pack_index(services.database) if is_due(services.database) else 0


def remove_old_objects(services: Services) -> int:
    """Remove the providers' answers and left-over sound after the retention time; words and books stay."""
    if services.settings.retention_days == 0:
        return 0
    old = transcripts.with_old_objects(services.database, days=services.settings.retention_days, limit=_AT_ONCE)
    return _each(old, lambda transcript: _remove_objects(services, transcript))


def _remove_objects(services: Services, transcript: Transcript) -> None:
    for name in (transcript.raw_object, transcript.audio_object):
        if name is not None:
            delete_object(services.settings.media_bucket, name, missing_ok=True)
    with services.database.transaction() as connection:
        transcripts.forget_objects(connection, transcript)


def _each(found: list[Transcript], work: Callable[[Transcript], object]) -> int:
    """Do the work on each, whatever becomes of the others; return on how many it was done."""
    done = 0
    for transcript in found:
        try:
            work(transcript)
            done += 1
        except SonicGenError as error:
            log(
                logger,
                f"Left for the next run: {error}",
                level=logging.WARNING,
                recording_id=str(transcript.video_id),
            )
    return done


def _each_recording(found: list[UUID], work: Callable[[UUID], object]) -> int:
    done = 0
    for video_id in found:
        try:
            work(video_id)
            done += 1
        except SonicGenError as error:
            log(logger, f"Left for the next run: {error}", level=logging.WARNING, recording_id=str(video_id))
    return done


# In this order; a new sweep is a line here.
def stay_in_step(services: Services) -> int:
    """Read the sources that are due, renew subscriptions, publish what is owed."""
    polled = poll_due_sources(services)
    return polled.due + polled.renewed + polled.announced


def sweep_console(services: Services) -> int:
    """Forget what the console keeps for a while only: answers, allowances, uploads that nobody asked about."""
    database = services.database
    kept = jobs.sweep(database) + rate_limits.sweep(database) + idempotency.sweep(database) + webhooks.sweep(database)
    return kept + sweep_uploads(services)


SWEEPS: tuple[tuple[str, Sweep], ...] = (
    ("sources", stay_in_step),
    ("downloads", retry_due_downloads),
    ("lost callbacks", settle_lost_callbacks),
    ("unsent transcripts", send_unsent),
    ("waiting transcripts", help_waiting),
    ("pending recordings", retry_pending),
    ("index", pack),
    ("retention", remove_old_objects),
    ("webhooks", deliver_due),
    ("console", sweep_console),
    ("voices", look_for_voices),
    ("clips", listen_to_clips),
    ("voice model", keep_models_moving),
    ("speakers", tidy_speakers),
    ("voice jobs", lambda services: tell_lost_jobs(services) + remove_old_jobs(services)),
    ("gallery", lambda services: services.gallery.flush()),
)
