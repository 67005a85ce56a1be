"""Give recordings the words of those they were copied from, in whatever order the originals' transcripts come."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sonicgen.cloud.bus import publish_event
from sonicgen.cloud.ledger_entry import Outcome
from sonicgen.cloud.once import run_once
from sonicgen.domain.transcript import (
    COMPLETE_STATES,
    HOPELESS_STATES,
    Transcript,
    TranscriptReason,
    TranscriptState,
)
from sonicgen.events.transcript_ready import TranscriptReady
from sonicgen.log import log, log_context
from sonicgen.speech.inherit import inherit
from sonicgen.steps.prices import price_of
from sonicgen.steps.services import Services
from sonicgen.steps.tell_webhooks import enqueue
from sonicgen.store import costs, transcripts, utterances
from sonicgen.store.database import Connection
from sonicgen.store.transcripts import SourceState

logger = logging.getLogger(__name__)

FUNCTION = "transcript_inherit"
TOPIC = "transcript-ready"
_UNDER_WAY = frozenset({TranscriptState.SUBMITTING, TranscriptState.SUBMITTED, TranscriptState.PROCESSING})


@dataclass(frozen=True, slots=True)
class Own:
    """What the provider delivered for a recording itself, whose lines are stored."""

    provider_id: str
    raw_object: str
    language: str | None
    speech_model: str | None
    has_speakers: bool


@dataclass(slots=True)
class _Taken:
    """What came of a transcript's sources."""

    seconds: float = 0.0
    is_changed: bool = False
    is_awaiting: bool = False
    is_lacking: bool = False


def transcript_inherit(services: Services, event: TranscriptReady) -> Outcome:
    """Pass a transcript's words on to every recording that has waited for them, once."""

    def work(_: object) -> dict[str, object]:
        heirs = transcripts.heirs_of(services.database, event.recording_id)
        for heir in heirs:
            inherit_words(services, heir)
        return {"heirs": len(heirs)}

    with log_context(event_id=event.id, recording_id=str(event.recording_id)):
        return run_once(services.ledger, FUNCTION, event.id, work)


def inherit_words(services: Services, video_id: UUID) -> Transcript | None:
    """Take over what a recording's sources hold by now, finish its transcript if that was all, and announce it.

    None when it has no transcript (any more). Safe to repeat: what is there already is not taken again.
    """
    with services.database.transaction() as connection:
        transcript = transcripts.lock(connection, video_id)
        if transcript is None:
            return None
        transcript = settle(services, connection, transcript)
    announce(services, transcript)
    return transcript


def settle(services: Services, connection: Connection, transcript: Transcript, own: Own | None = None) -> Transcript:
    """Take over words and set the transcript's state, in the transaction that has it locked; return it.

    `own` is what was just stored for the recording itself.
    """
    taken = _take_over(connection, transcript)
    state = transcript.state
    if state is TranscriptState.FAILED and transcript.reason is TranscriptReason.ORIGINAL_WITHOUT_WORDS:
        transcript = transcripts.plan_again(connection, transcript) or transcript
        state = transcript.state
    is_unsent = state is TranscriptState.PLANNED and transcript.parts
    is_closed = state in HOPELESS_STATES or state is TranscriptState.OVER_BUDGET
    if own is None and (is_unsent or is_closed or state in _UNDER_WAY):
        return transcript  # its own words come later, or never
    summary = utterances.summary(connection, transcript.video_id)
    state, reason = _conclude(transcript, taken, summary, own)
    is_changed = taken.is_changed or own is not None
    if (state, reason) != (transcript.state, transcript.reason) or is_changed:
        transcript = transcripts.finish(
            connection,
            transcript,
            state,
            reason,
            is_changed=is_changed,
            provider_id=own.provider_id if own else None,
            raw_object=own.raw_object if own else None,
            language=own.language if own else None,
            speech_model=own.speech_model if own else None,
            inherited_seconds=taken.seconds,
        )
    if state in COMPLETE_STATES:
        _book_savings(services, connection, transcript)
    return transcript


def announce(services: Services, transcript: Transcript) -> None:
    """Tell the bus of a transcript that is over; told again, the event has the same id."""
    if transcript.state not in COMPLETE_STATES | HOPELESS_STATES:
        return
    with services.database.transaction() as connection:
        summary = utterances.summary(connection, transcript.video_id)
        enqueue(
            connection,
            "transcript.ready",
            f"transcript.ready:{transcript.id}:{transcript.state}:{transcript.revision}",
            {
                "recording_id": str(transcript.video_id),
                "state": str(transcript.state),
                "reason": str(transcript.reason) if transcript.reason else None,
                "revision": transcript.revision,
                "language": transcript.language,
                "utterances": summary.lines,
            },
        )
    publish_event(
        TOPIC,
        TranscriptReady(
            recording_id=transcript.video_id,
            transcript_id=transcript.id,
            state=transcript.state,
            revision=transcript.revision,
            time=transcript.updated_at or datetime.now(UTC),
            reason=transcript.reason,
            provider=transcript.provider,
            language=transcript.language,
            paid_seconds=transcript.paid_seconds,
            inherited_seconds=transcript.inherited_seconds,
            speakers=summary.speakers,
            utterances=summary.lines,
        ),
    )
    log(logger, f"Transcript: {transcript.state}", reason=transcript.reason, utterances=summary.lines)


def _take_over(connection: Connection, transcript: Transcript) -> _Taken:
    taken = _Taken()
    by_source: dict[UUID, list[SourceState]] = defaultdict(list)
    for stretch in transcripts.sources_of(connection, transcript):
        by_source[stretch.source.source_id].append(stretch)
    for source_id, stretches in by_source.items():
        first = stretches[0]
        if first.state in COMPLETE_STATES and first.revision is not None:
            if first.source.inherited_revision != first.revision:
                _copy_lines(connection, transcript, source_id, stretches)
                transcripts.mark_inherited(connection, transcript, source_id, first.revision)
                taken.is_changed = True
            taken.seconds += sum(stretch.source.seconds for stretch in stretches)
        elif first.source.inherited_revision is not None:
            # The original was forgotten, or is being transcribed anew; what it had stays.
            taken.seconds += sum(stretch.source.seconds for stretch in stretches)
        elif not first.is_known or first.state in HOPELESS_STATES:
            taken.is_lacking = True
        else:
            taken.is_awaiting = True
    return taken


def _copy_lines(connection: Connection, transcript: Transcript, source_id: UUID, stretches: list[SourceState]) -> None:
    lines = []
    for stretch in stretches:
        source = stretch.source
        heard = utterances.within(connection, source_id, source.source_start_seconds, source.source_end_seconds)
        lines += inherit(heard, source)
    utterances.replace_inherited(connection, transcript, source_id, lines)


def _conclude(
    transcript: Transcript, taken: _Taken, summary: utterances.Summary, own: Own | None
) -> tuple[TranscriptState, TranscriptReason]:
    """Return the state that follows when a transcript's own part is done, and why."""
    if taken.is_awaiting:
        return TranscriptState.WAITING, TranscriptReason.ORIGINAL_AWAITED
    if summary.own_lines:
        lacks_speakers = not own.has_speakers if own else transcript.reason is TranscriptReason.NO_SPEAKERS
        reason = TranscriptReason.NO_SPEAKERS if lacks_speakers else TranscriptReason.TRANSCRIBED
        return TranscriptState.READY, reason
    if summary.lines:
        is_paid = own is not None or transcript.provider_id is not None
        state = TranscriptState.READY if is_paid else TranscriptState.INHERITED
        return state, TranscriptReason.TRANSCRIBED if is_paid else TranscriptReason.COPIED
    if taken.is_lacking and not taken.seconds and not transcript.parts:
        return TranscriptState.FAILED, TranscriptReason.ORIGINAL_WITHOUT_WORDS
    is_heard = transcript.parts or own or taken.seconds
    return TranscriptState.EMPTY, TranscriptReason.NOTHING_SAID if is_heard else TranscriptReason.NOT_AUDIBLE


def _book_savings(services: Services, connection: Connection, transcript: Transcript) -> None:
    provider = transcript.provider or services.settings.transcription_provider
    if provider is None:
        return
    price, day = price_of(services.settings, provider), datetime.now(UTC).date()
    savings: tuple[tuple[costs.Kind, float], ...] = (
        ("inherited", transcript.inherited_seconds),
        ("omitted", transcript.omitted_seconds),
    )
    for kind, seconds in savings:
        if seconds > 0:
            key = f"{kind}:{transcript.id}"
            costs.book(connection, key, transcript.video_id, kind, seconds, day=day, price=price, provider=provider)
