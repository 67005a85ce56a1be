"""The old service's routes: who speaks when, a voice's vector, whether two are one voice."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import numpy as np
from fastapi import APIRouter, File, UploadFile
from numpy.typing import NDArray
from pydantic import BaseModel

from sonicgen.embedder import answers
from sonicgen.embedder.house import House
from sonicgen.embedder.parameters import (
    Files,
    InHouse,
    WithFiles,
    WithHints,
    WithNormalize,
    WithSegment,
    WithThreshold,
    WithTicket,
)
from sonicgen.embedder.problems import Code, explained
from sonicgen.embedder.stored import MOST_BYTES, read_embedding
from sonicgen.embedder.tickets import Ticket
from sonicgen.embedder.work import FileTurns, FileVoice, diarize_file, embed_file, given_file

router = APIRouter(tags=["files"])
Answer = TypeVar("Answer", bound=BaseModel)


@router.post("/diarize")
async def diarize(
    house: InHouse, ticket: WithTicket, files: WithFiles, hints: WithHints
) -> answers.Diarization | answers.Batch[answers.Diarization]:
    """Who speaks when; an empty list where nobody does."""
    started = time.monotonic()

    async def one(upload: UploadFile) -> answers.Diarization:
        begun = time.monotonic()
        found = await diarize_file(house, given_file(upload.file), ticket, hints)
        return diarization_answer(house, found, time.monotonic() - begun)

    answer: answers.Diarization | answers.Batch[answers.Diarization] = await _each(house, ticket, files, one, started)
    return answer


@router.post("/embedding")
async def embedding(
    house: InHouse, ticket: WithTicket, files: WithFiles, normalize: WithNormalize, segment: WithSegment
) -> answers.Embedding | answers.Batch[answers.Embedding]:
    """The vector of the voice in a file; silence, noise and music are left out."""
    started = time.monotonic()

    async def one(upload: UploadFile) -> answers.Embedding:
        begun = time.monotonic()
        voice = await embed_file(house, given_file(upload.file), ticket, segment)
        return answers.Embedding(
            embedding=(voice.vector if normalize else voice.mean).tolist(),
            normalized=normalize,
            audio_duration=round(voice.duration_seconds, 3),
            speech_duration=round(voice.speech_seconds, 3),
            warnings=list(voice.warnings),
            **answers.ran(house.models.runner(), time.monotonic() - begun),
        )

    answer: answers.Embedding | answers.Batch[answers.Embedding] = await _each(house, ticket, files, one, started)
    return answer


@router.post("/compare")
async def compare(
    house: InHouse,
    ticket: WithTicket,
    file1: Annotated[UploadFile, File(description="One sound.")],
    file2: Annotated[UploadFile, File(description="The other sound.")],
    threshold: WithThreshold,
) -> answers.Comparison:
    """Whether the voices in two files are one."""
    started = time.monotonic()
    first = await embed_file(house, given_file(file1.file), ticket)
    second = await embed_file(house, given_file(file2.file), ticket)
    return _comparison(house, first.vector, second.vector, threshold, (first, second), started)


@router.post("/compare_embedding")
async def compare_embedding(
    house: InHouse,
    ticket: WithTicket,
    audio: Annotated[UploadFile, File(description="The sound.")],
    embedding: Annotated[UploadFile, File(description="A stored embedding: JSON or .npy; pickles are refused.")],
    threshold: WithThreshold,
    segment: WithSegment,
) -> answers.Comparison:
    """Whether the voice in a file is the one that an embedding was made of."""
    started = time.monotonic()
    model = house.models.encoder.model
    stored = await house.prepare(lambda: read_embedding(embedding.file.read(MOST_BYTES + 1), model), ticket)
    voice = await embed_file(house, given_file(audio.file), ticket, segment)
    return _comparison(house, voice.vector, stored, threshold, (voice,), started)


def diarization_answer(house: House, found: FileTurns, seconds: float) -> answers.Diarization:
    segments = [
        answers.Segment(start=turn.start_seconds, end=turn.end_seconds, speaker=turn.speaker) for turn in found.turns
    ]
    return answers.Diarization(
        diarization_results=segments,
        audio_duration=round(found.duration_seconds, 3),
        segments_count=len(segments),
        num_speakers=len({segment.speaker for segment in segments}),
        diarizer=found.diarizer,
        warnings=list(found.warnings),
        **answers.ran(house.models.runner(), seconds),
    )


def _comparison(
    house: House,
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    threshold: float | None,
    voices: tuple[FileVoice, ...],
    started: float,
) -> answers.Comparison:
    calibration = house.models.encoder.calibration
    # Even odds: below this cosine the calibration says that two voices are more likely than one.
    decided_at = -calibration.offset / calibration.slope if threshold is None else threshold
    score = float(np.clip(first @ second, -1.0, 1.0))
    return answers.Comparison(
        similarity_score=round(score, 6),
        same_speaker=score >= decided_at,
        threshold=round(decided_at, 6),
        threshold_source="calibration" if threshold is None else "request",
        probability=round(calibration.probability(score), 6),
        audio_duration=round(sum(voice.duration_seconds for voice in voices), 3),
        warnings=[warning for voice in voices for warning in voice.warnings],
        **answers.ran(house.models.runner(), time.monotonic() - started),
    )


async def _each(
    house: House, ticket: Ticket, files: Files, one: Callable[[UploadFile], Awaitable[Answer]], started: float
) -> Any:
    """Return the only file's answer, or a list with each file's answer or problem."""
    if not files.is_batch:
        return await one(files.uploads[0])
    results: list[dict[str, Any]] = []
    seconds = 0.0
    for upload in files.uploads:  # one after the other: a request of many files is one guest among others
        answer, error = None, None
        try:
            answer = await one(upload)
            seconds += float(getattr(answer, "audio_duration", 0.0))
        except Exception as failure:
            ticket.check()
            error = explained(failure)
            if error.code in (Code.INTERNAL, Code.NOT_READY):
                raise
        results.append({"filename": upload.filename or "", "result": answer, "error": answers.ItemProblem.of(error)})
    succeeded = sum(result["error"] is None for result in results)
    return {
        "results": results,
        "succeeded": succeeded,
        "failed": len(results) - succeeded,
        "audio_duration": round(seconds, 3),
        **answers.ran(house.models.runner(), time.monotonic() - started),
    }
