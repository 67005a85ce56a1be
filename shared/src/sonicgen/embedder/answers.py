"""The shapes of answers: what the old service promised, and what the pipeline needs."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from sonicgen.domain.embedding import Runner
from sonicgen.embedder.problems import Code, ErrorType, RequestError

Status = Literal["healthy", "degraded", "starting", "failed", "draining"]
Answer = TypeVar("Answer", bound=BaseModel)


class Problem(BaseModel):
    """Why something came to nothing."""

    detail: str = Field(description="One sentence for people.")
    code: Code = Field(description="What a client may branch on; stable.")
    error_type: ErrorType
    timestamp: datetime

    @classmethod
    def of(cls, error: RequestError) -> Problem:
        """Return an error as a body."""
        return cls(detail=str(error), code=error.code, error_type=error.error_type, timestamp=datetime.now(UTC))


def problem_response(error: RequestError) -> JSONResponse:
    """Return an error as an answer, with Retry-After where asking again may help."""
    headers = {} if error.after_seconds is None else {"Retry-After": str(math.ceil(error.after_seconds))}
    return JSONResponse(Problem.of(error).model_dump(mode="json"), error.status, headers)


class ItemProblem(BaseModel):
    """Why one piece of a request came to nothing."""

    code: Code
    detail: str
    is_transient: bool = Field(description="Whether the same may succeed later.")

    @classmethod
    def of(cls, error: RequestError | None) -> ItemProblem | None:
        """Return an error as part of an answer."""
        if error is None:
            return None
        return cls(code=error.code, detail=str(error), is_transient=error.is_transient)


class Model(BaseModel):
    """The encoder; vectors of another name or version must not be compared with its own."""

    name: str
    version: str
    dimension: int
    slope: float = Field(
        description="With `offset` what a cosine says: log-odds of one voice = slope × cosine + offset."
    )
    offset: float

    @classmethod
    def of(cls, runner: Runner) -> Model:
        """Return the model of what runs."""
        model = runner.model
        return cls(
            name=model.name,
            version=model.version,
            dimension=model.dimension,
            slope=runner.slope,
            offset=runner.offset,
        )


class Ran(BaseModel):
    """What ran, and for how long."""

    processing_time: float = Field(description="Seconds from the whole request to its answer.")
    model: Model
    backend: str = Field(description='What ran the model, such as "onnxruntime-int8-cpu".')
    model_device: str = Field(description='"cpu" or "cuda".')


def ran(runner: Runner, seconds: float) -> dict[str, Any]:
    """Return the fields of `Ran`."""
    model = Model.of(runner)
    return {
        "processing_time": round(seconds, 4),
        "model": model,
        "backend": runner.backend,
        "model_device": runner.device,
    }


class Health(BaseModel):
    """The true state of the service."""

    status: Status = Field(description='"degraded": a fall-back runs, see `reason`.')
    diarization_model_loaded: bool
    verification_model_loaded: bool
    reason: str | None = Field(description="Why it is not healthy.")
    model: Model | None
    backend: str | None
    model_device: str | None
    diarizer: str | None
    batch_windows: int | None = Field(description="How many windows of 3 s are computed at a time.")
    times_real_time: float | None = Field(description="Seconds of speech embedded in a second, measured at the start.")
    measured: dict[str, float] = Field(description="The same for every path that was tried.")
    notes: list[str] = Field(description="What better models there are, and what they need.")
    queue_depth: int = Field(description="Windows that wait.")
    requests_under_way: int


class Segment(BaseModel):
    """A turn."""

    start: float
    end: float
    speaker: str = Field(description="SPEAKER_00, SPEAKER_01… in the order in which they are first heard.")


class Diarization(Ran):
    """Who speaks when."""

    diarization_results: list[Segment]
    audio_duration: float
    segments_count: int
    num_speakers: int
    diarizer: str
    warnings: list[str]


class Embedding(Ran):
    """One voice's vector."""

    embedding: list[float]
    normalized: bool
    audio_duration: float
    speech_duration: float = Field(description="Seconds of speech that the vector rests on.")
    warnings: list[str]


class Comparison(Ran):
    """Whether two are one voice."""

    similarity_score: float = Field(description="The cosine, from -1 to 1.")
    same_speaker: bool = Field(description="Whether the score reaches the threshold.")
    threshold: float
    threshold_source: Literal["request", "calibration"] = Field(
        description="The caller's, or the cosine at which this model's calibration says even odds."
    )
    probability: float = Field(description="How likely they are one voice by that calibration, at even odds before.")
    audio_duration: float = Field(description="Seconds of all sound that was sent.")
    warnings: list[str]


class FileResult(BaseModel, Generic[Answer]):
    """One of several files: its answer or its problem."""

    filename: str
    result: Answer | None
    error: ItemProblem | None


class Batch(Ran, Generic[Answer]):
    """Several files in one call, in their order."""

    results: list[FileResult[Answer]]
    succeeded: int
    failed: int
    audio_duration: float


class SpanVector(BaseModel):
    """A span's vector or problem."""

    start: float
    end: float
    speech_seconds: float
    vector: list[float] | None
    error: ItemProblem | None


class SoundVectors(BaseModel):
    """One sound's vectors, in the order of its spans."""

    audio_duration: float | None = Field(description="Seconds that were decoded: up to the end of the last span.")
    vectors: list[SpanVector]
    error: ItemProblem | None


class Embedded(Ran):
    """The answer to /embed, one entry a sound."""

    sounds: list[SoundVectors]


class Near(BaseModel):
    """A close speaker."""

    speaker_id: UUID
    cosine: float


class VoiceIdentity(BaseModel):
    """Who a voice is; `speaker_id` null for nobody known."""

    label: str
    outcome: str
    speaker_id: UUID | None
    probability: float
    margin: float
    cosine: float | None
    best_id: UUID | None
    runner_up_id: UUID | None
    unknown: list[Near]
    speech_seconds: float
    vector: list[float] | None
    error: ItemProblem | None


class Identified(Ran):
    """The answer to /identify, one entry a voice."""

    voices: list[VoiceIdentity]
    thresholds: dict[str, float]
    people: int
    index: str
