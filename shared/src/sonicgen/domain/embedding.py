"""What the pipeline asks of the embedder, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sonicgen.domain.turn import Turn
from sonicgen.domain.voice import VoiceModel


@dataclass(frozen=True, slots=True)
class Span:
    """From where to where, in seconds of an object's sound."""

    start_seconds: float
    end_seconds: float


@dataclass(frozen=True, slots=True)
class Sound:
    """Speech of one voice in an object of the bucket: all of it, or some spans of it, which may overlap."""

    bucket: str
    name: str
    generation: int | None = None
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Runner:
    """Which model made an answer, and what ran it, such as "onnxruntime-int8-cpu" on "cpu".

    `slope` and `offset` are what its cosines say (`sonicgen.voices.encoder.Calibration`).
    """

    model: VoiceModel
    backend: str
    device: str
    slope: float
    offset: float


@dataclass(frozen=True, slots=True)
class EmbedderState:
    """How the embedder stands: "healthy", or "degraded" when a fall-back runs, for the reason.

    `times_real_time` is how fast it was at its start; `notes` say what better models there are and what they need.
    """

    status: str
    reason: str | None
    runner: Runner
    diarizer: str
    times_real_time: float
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why one piece of work came to nothing: a stable code (see docs/embedder.md) and a sentence for people."""

    code: str
    detail: str
    is_transient: bool = False


@dataclass(frozen=True, slots=True)
class SpanVector:
    """A span's unit vector, and how many seconds of speech it rests on; the problem instead where there is too little.

    A sound without spans has one, from 0 to its end.
    """

    span: Span
    speech_seconds: float
    vector: tuple[float, ...] | None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class SoundVectors:
    """One sound's vectors, in the order of its spans; none, and a problem, when the object itself cannot be used."""

    sound: Sound
    duration_seconds: float | None
    vectors: tuple[SpanVector, ...]
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Embedded:
    """The answer to `embed`: one entry a sound, in the order of asking."""

    runner: Runner
    sounds: tuple[SoundVectors, ...]


@dataclass(frozen=True, slots=True)
class HeardVector:
    """A unit vector that was made before by the model that runs, and the seconds of speech it rests on."""

    vector: tuple[float, ...]
    speech_seconds: float


@dataclass(frozen=True, slots=True)
class Voice:
    """One voice of a recording: its label there, and its speech as sounds, as vectors made before, or both."""

    label: str
    sounds: tuple[Sound, ...] = ()
    vectors: tuple[HeardVector, ...] = ()


@dataclass(frozen=True, slots=True)
class NearVoice:
    """A speaker, or a group of unknown voices, whose profile is close."""

    speaker_id: UUID
    cosine: float


@dataclass(frozen=True, slots=True)
class VoiceIdentity:
    """Who a voice is: `speaker_id`, or None for nobody known, whose `probability` is still the closest person's.

    `outcome` says why (see `sonicgen.voices.identify.Outcome`), "no_speech" where there was nothing to hear; `problem`
    then says more. `unknown` holds the closest groups of unknown voices. `vector` is the voice's own: the mean of all
    its speech, at length one.
    """

    label: str
    outcome: str
    speaker_id: UUID | None
    probability: float
    margin: float
    cosine: float | None
    best_id: UUID | None
    runner_up_id: UUID | None
    unknown: tuple[NearVoice, ...]
    speech_seconds: float
    vector: tuple[float, ...] | None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Identified:
    """The answer to `identify`: one entry a voice, in the order of asking, and what the decisions rest on.

    No person is named twice. `people` is how many are known, `index` what searched among them.
    """

    runner: Runner
    voices: tuple[VoiceIdentity, ...]
    thresholds: Mapping[str, float]
    people: int
    index: str


@dataclass(frozen=True, slots=True)
class Hints:
    """What is known of a recording's speakers before anybody listens; `minimum_seconds` leaves shorter turns out."""

    num_speakers: int | None = None
    min_speakers: int | None = None
    max_speakers: int | None = None
    minimum_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Diarized:
    """Who speaks when in one object, and what told them apart, such as "own-ecapa-small"."""

    runner: Runner
    diarizer: str
    duration_seconds: float
    turns: tuple[Turn, ...] = ()
