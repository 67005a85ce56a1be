"""What was said in a recording, by whom and when; the states a transcript passes through."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5

from sonicgen.domain.recording import RECORDING_NAMESPACE


class TranscriptState(StrEnum):
    """Where a transcript stands."""

    PLANNED = "planned"  # its plan is on record, nothing was sent yet
    SUBMITTING = "submitting"  # a call to the provider is under way, or its answer was lost
    SUBMITTED = "submitted"
    PROCESSING = "processing"  # the provider said that it works on it
    WAITING = "waiting"  # all that was to be paid for is there; an original's words are not
    READY = "ready"
    INHERITED = "inherited"  # all words are another recording's: nothing was paid
    EMPTY = "empty"
    FAILED = "failed"
    OVER_BUDGET = "over_budget"
    SKIPPED = "skipped"


class TranscriptReason(StrEnum):
    """Why a transcript is in its state, as a stable code; `explanation` is the sentence for people."""

    TRANSCRIBED = "transcribed"
    COPIED = "copied"
    NOTHING_SAID = "nothing_said"
    NO_SPEAKERS = "no_speakers"
    PROVIDER_ERROR = "provider_error"
    PROVIDER_REFUSED = "provider_refused"
    PROVIDER_LOST = "provider_lost"
    AUDIO_GONE = "audio_gone"
    NOT_AUDIBLE = "not_audible"
    TURNED_OFF = "turned_off"
    DAY_BUDGET = "day_budget"
    CHANNEL_BUDGET = "channel_budget"
    ORIGINAL_AWAITED = "original_awaited"
    ORIGINAL_WITHOUT_WORDS = "original_without_words"


TRANSCRIPT_EXPLANATIONS: dict[TranscriptReason, str] = {
    TranscriptReason.TRANSCRIBED: "It was transcribed.",
    TranscriptReason.COPIED: "Its words are those of the recordings it was copied from; nothing was paid.",
    TranscriptReason.NOTHING_SAID: "Nothing is said in it.",
    TranscriptReason.NO_SPEAKERS: "It was transcribed, but nobody could tell the speakers apart.",
    TranscriptReason.PROVIDER_ERROR: "The transcription service could not transcribe it.",
    TranscriptReason.PROVIDER_REFUSED: "The transcription service refused it.",
    TranscriptReason.PROVIDER_LOST: "The transcription service does not know the job any more.",
    TranscriptReason.AUDIO_GONE: "Its sound was removed from the bucket before it could be sent.",
    TranscriptReason.NOT_AUDIBLE: "It holds no sound that could be speech.",
    TranscriptReason.TURNED_OFF: "Transcription is turned off; see SONICGEN_TRANSCRIPTION.",
    TranscriptReason.DAY_BUDGET: "The day's budget is used up; it is sent when the next day begins (UTC).",
    TranscriptReason.CHANNEL_BUDGET: "Its channel's budget of the day is used up; it is sent on the next day (UTC).",
    TranscriptReason.ORIGINAL_AWAITED: "It takes over the words of a recording that is not transcribed yet.",
    TranscriptReason.ORIGINAL_WITHOUT_WORDS: "The recording it was copied from has no transcript to take over.",
}

_S = TranscriptState

# Every move a transcript may make. From an end it goes back to PLANNED when it is asked for again, and from one kind of
# completion to another when an original's words come late.
TRANSCRIPT_MOVES: dict[TranscriptState, frozenset[TranscriptState]] = {
    _S.PLANNED: frozenset(
        {_S.SUBMITTING, _S.WAITING, _S.INHERITED, _S.READY, _S.EMPTY, _S.FAILED, _S.OVER_BUDGET, _S.SKIPPED}
    ),
    _S.SUBMITTING: frozenset({_S.SUBMITTED, _S.PLANNED, _S.FAILED}),
    _S.SUBMITTED: frozenset({_S.PROCESSING, _S.WAITING, _S.READY, _S.EMPTY, _S.FAILED}),
    _S.PROCESSING: frozenset({_S.WAITING, _S.READY, _S.EMPTY, _S.FAILED}),
    _S.WAITING: frozenset({_S.INHERITED, _S.READY, _S.EMPTY, _S.FAILED, _S.PLANNED}),
    _S.READY: frozenset({_S.PLANNED, _S.INHERITED, _S.EMPTY}),
    _S.INHERITED: frozenset({_S.PLANNED, _S.READY, _S.EMPTY}),
    _S.EMPTY: frozenset({_S.PLANNED, _S.INHERITED, _S.READY}),
    _S.FAILED: frozenset({_S.PLANNED}),
    _S.OVER_BUDGET: frozenset({_S.PLANNED}),
    _S.SKIPPED: frozenset({_S.PLANNED}),
}

# What holds all the words that it will have.
COMPLETE_STATES = frozenset({_S.READY, _S.INHERITED, _S.EMPTY})
# What will have no words unless somebody asks again.
HOPELESS_STATES = frozenset({_S.FAILED, _S.SKIPPED})


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word; times are of the recording it belongs to, confidence is from 0 to 1."""

    text: str
    start_seconds: float
    end_seconds: float
    confidence: float
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class Utterance:
    """What one speaker says without a break; `speaker` is a label within the transcript ("A"), None when unknown.

    `inherited_from` is the recording whose transcript holds it; `id` is the stored line's, None before it is stored.
    """

    start_seconds: float
    end_seconds: float
    text: str
    speaker: str | None = None
    confidence: float | None = None
    words: tuple[Word, ...] = ()
    speaker_name: str | None = None
    language: str | None = None
    inherited_from: UUID | None = None
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One stretch of a recording within the sound that was submitted: where it begins there and in the recording."""

    submitted_start_seconds: float
    start_seconds: float
    seconds: float


@dataclass(frozen=True, slots=True)
class TranscriptSource:
    """A stretch whose words another recording's transcript holds.

    `speed` is how fast this recording plays the source (1.02: two percent faster). `label_prefix` comes before the
    source's speaker labels. `inherited_revision` is the state of the source's transcript that was taken over.
    """

    source_id: UUID
    start_seconds: float
    end_seconds: float
    source_start_seconds: float
    source_end_seconds: float
    speed: float = 1.0
    label_prefix: str = ""
    inherited_revision: int | None = None

    @property
    def seconds(self) -> float:
        """How much of the recording it covers."""
        return self.end_seconds - self.start_seconds


@dataclass(frozen=True, slots=True)
class Transcript:
    """What is known of one recording's transcript, without its lines."""

    id: UUID
    video_id: UUID
    state: TranscriptState
    reason: TranscriptReason | None = None
    reason_detail: str | None = None
    provider: str | None = None
    provider_id: str | None = None
    submit_key: UUID | None = None
    audio_url: str | None = None
    audio_object: str | None = None
    raw_object: str | None = None
    parts: tuple[Part, ...] = ()
    language: str | None = None
    speech_model: str | None = None
    paid_seconds: float = 0.0
    inherited_seconds: float = 0.0
    omitted_seconds: float = 0.0
    attempts: int = 0
    revision: int = 0
    submitted_at: datetime | None = None
    next_poll_at: datetime | None = None
    completed_at: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def is_complete(self) -> bool:
        """Whether it holds all the words that it will have."""
        return self.state in COMPLETE_STATES

    def explain(self) -> str:
        """Return one sentence that tells a person why the transcript is in its state."""
        if self.reason is None:
            return "Waiting to be sent." if self.state is TranscriptState.PLANNED else "Being transcribed."
        sentence = TRANSCRIPT_EXPLANATIONS[self.reason]
        return f"{sentence} {self.reason_detail}" if self.reason_detail else sentence


def transcript_id(video_id: UUID) -> UUID:
    """Return the id of a recording's transcript; it is always the same."""
    return uuid5(RECORDING_NAMESPACE, f"transcript\n{video_id}")
