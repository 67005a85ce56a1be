"""People and unknown voices, and where they are heard; the states that a voice and an enrolment pass through."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5

from sonicgen.domain.recording import RECORDING_NAMESPACE
from sonicgen.domain.turn import Turn
from sonicgen.errors import InputError

LONGEST_NAME_CHARACTERS = 200


class VoiceState(StrEnum):
    """Where one voice of a recording stands."""

    CUTTING = "cutting"  # its clips are not cut yet
    WAITING = "waiting"  # its clips wait to be heard
    UNHEARD = "unheard"  # nothing of it is clean enough for a clip
    ASSIGNED = "assigned"  # it belongs to a person, or to a group of unknown voices
    ERASED = "erased"  # its person was forgotten: nothing of it is kept or made again


class EnrolmentState(StrEnum):
    """How an enrolment ended; there is no state between: a person is enrolled with all samples, or not at all."""

    PENDING = "pending"
    ENROLLED = "enrolled"
    REFUSED = "refused"  # by what was given; `EnrolmentReason` says why
    FAILED = "failed"  # by us; may be tried again


class EnrolmentReason(StrEnum):
    """Why an enrolment or one of its samples was refused, as a stable code."""

    NOT_AUDIO = "not_audio"
    TOO_SHORT = "too_short"
    SILENCE = "silence"
    NO_SPEECH = "no_speech"
    SEVERAL_VOICES = "several_voices"
    CLIPPED = "clipped"
    SAME_FILE = "same_file"
    NAME_TAKEN = "name_taken"
    OTHER_VOICE = "other_voice"
    NO_FILES = "no_files"
    INTERRUPTED = "interrupted"


ENROLMENT_EXPLANATIONS: dict[EnrolmentReason, str] = {
    EnrolmentReason.NOT_AUDIO: "It is not audio in any format that ffmpeg reads.",
    EnrolmentReason.TOO_SHORT: "There is too little speech in it.",
    EnrolmentReason.SILENCE: "It is silent.",
    EnrolmentReason.NO_SPEECH: "Nobody speaks in it: it is music, noise or a tone.",
    EnrolmentReason.SEVERAL_VOICES: "More than one person speaks in it.",
    EnrolmentReason.CLIPPED: "It is overdriven: its peaks are cut off.",
    EnrolmentReason.SAME_FILE: "The same sound was given before.",
    EnrolmentReason.NAME_TAKEN: "Somebody has this name already; say that it is the same person, or choose another.",
    EnrolmentReason.OTHER_VOICE: "It is another voice than the person's other samples.",
    EnrolmentReason.NO_FILES: "No file was given.",
    EnrolmentReason.INTERRUPTED: "It was interrupted; nothing of it was kept.",
}


@dataclass(frozen=True, slots=True)
class Speaker:
    """A person with a name, or a group of voices that nobody has named yet; `number` is what such a group is called."""

    id: UUID
    number: int
    name: str | None
    created_at: datetime
    updated_at: datetime
    skipped_at: datetime | None = None

    @property
    def is_known(self) -> bool:
        """Whether it has a name."""
        return self.name is not None

    @property
    def title(self) -> str:
        """What it is called in front of people."""
        return self.name or f"voice {self.number}"


@dataclass(frozen=True, slots=True)
class Clip:
    """A stretch of one voice alone, kept in the media bucket; times are of the recording or sample it was cut from.

    `voiceprint_ids` are its vectors in the gallery, one a model.
    """

    id: UUID
    object_name: str
    start_seconds: float
    end_seconds: float
    voiceprint_ids: tuple[UUID, ...] = ()

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end_seconds - self.start_seconds


@dataclass(frozen=True, slots=True)
class RecordingVoice:
    """One speaker label of a recording: when it speaks and whose voice it is.

    `source_id` is the original's voice that a copy's one takes its person from. `probability` is how likely the person
    it was compared with is the right one, `margin` how much more likely than the second, `thresholds` what the decision
    asked for; `suggested_id` is that person where the decision was not to name them. `is_confirmed`: a person said so.
    """

    id: UUID
    video_id: UUID
    label: str
    state: VoiceState
    turns: tuple[Turn, ...]
    speech_seconds: float
    speaker_id: UUID | None = None
    source_id: UUID | None = None
    outcome: str | None = None
    probability: float | None = None
    margin: float | None = None
    cosine: float | None = None
    suggested_id: UUID | None = None
    model: str | None = None
    thresholds: dict[str, float] | None = None
    decided_by: str | None = None
    is_confirmed: bool = False
    clips_digest: str | None = None
    clips: tuple[Clip, ...] = ()

    @property
    def is_to_be_heard(self) -> bool:
        """Whether the embedder has to listen: nobody knows whose it is, or somebody said so before it had vectors."""
        is_new = self.is_confirmed and not all(clip.voiceprint_ids for clip in self.clips)
        return self.source_id is None and (self.state is VoiceState.WAITING or is_new)


def voice_id(video_id: UUID, label: str, digest: str) -> UUID:
    """Return the id of a recording's voice, derived from when it was first found to speak."""
    return uuid5(RECORDING_NAMESPACE, f"voice\n{video_id}\n{label}\n{digest}")


def group_id(founder_id: UUID) -> UUID:
    """Return the id of the group of unknown voices that a voice founds."""
    return uuid5(RECORDING_NAMESPACE, f"group\n{founder_id}")


def clip_id(object_name: str) -> UUID:
    """Return the id of a clip; it is always the same for an object."""
    return uuid5(RECORDING_NAMESPACE, f"clip\n{object_name}")


def read_name(text: str) -> str:
    """Return a person's name as it is kept; raise InputError for what cannot be one."""
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not name or len(name) > LONGEST_NAME_CHARACTERS or not name.isprintable():
        raise InputError(f"A name has 1 to {LONGEST_NAME_CHARACTERS} printable characters.")
    return name


def name_key(name: str) -> str:
    """Return what two spellings of one name have in common: case, width and spaces do not count."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
