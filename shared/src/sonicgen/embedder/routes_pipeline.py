"""What the pipeline asks: vectors of objects in the bucket, who their voices are, who speaks when in them."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from sonicgen.domain.embedding import Hints, Sound, Span
from sonicgen.embedder import answers
from sonicgen.embedder.house import House
from sonicgen.embedder.parameters import MOST_SPEAKERS, InHouse, WithTicket, checked_hints
from sonicgen.embedder.routes_files import diarization_answer
from sonicgen.embedder.tickets import Ticket
from sonicgen.embedder.work import SoundResult, diarize_file, embed_sound, object_opener

router = APIRouter(tags=["pipeline"])

MOST_SOUNDS = 1_000
MOST_SPANS = 10_000
# Objects of one request that are streamed at a time, so that a request of many leaves room for others.
SOUNDS_AT_ONCE = 4
_Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Speakers = Annotated[int | None, Field(ge=1, le=MOST_SPEAKERS)]


class SoundRequest(BaseModel):
    """Speech of one voice in an object."""

    bucket: str = Field(min_length=1)
    name: str = Field(min_length=1)
    generation: int | None = None
    spans: list[tuple[_Seconds, _Seconds]] = Field(
        default_factory=list, max_length=MOST_SPANS, description="From and to, in seconds; none: all of it."
    )

    def sound(self) -> Sound:
        """Return it in the package's own form."""
        return Sound(self.bucket, self.name, self.generation, tuple(Span(start, end) for start, end in self.spans))


class EmbedRequest(BaseModel):
    """Sounds whose vectors are wanted."""

    sounds: list[SoundRequest] = Field(max_length=MOST_SOUNDS)


class DiarizeRequest(BaseModel):
    """An object and what is known of its speakers."""

    bucket: str = Field(min_length=1)
    name: str = Field(min_length=1)
    generation: int | None = None
    num_speakers: _Speakers = None
    min_speakers: _Speakers = None
    max_speakers: _Speakers = None
    min_duration: float | None = Field(default=None, ge=0, le=3600)


@router.post("/embed")
async def embed(house: InHouse, ticket: WithTicket, request: EmbedRequest) -> answers.Embedded:
    """A unit vector for each span of each object; each object is streamed and decoded once, however many spans."""
    started = time.monotonic()
    found = await embed_sounds(house, [each.sound() for each in request.sounds], ticket)
    return answers.Embedded(
        sounds=[sound_answer(each) for each in found], **answers.ran(house.models.runner(), time.monotonic() - started)
    )


@router.post("/diarize/object")
async def diarize_object(house: InHouse, ticket: WithTicket, request: DiarizeRequest) -> answers.Diarization:
    """Who speaks when in an object of the bucket."""
    started = time.monotonic()
    hints = checked_hints(Hints(request.num_speakers, request.min_speakers, request.max_speakers, request.min_duration))
    opener = object_opener(Sound(request.bucket, request.name, request.generation))
    found = await diarize_file(house, opener, ticket, hints)
    return diarization_answer(house, found, time.monotonic() - started)


async def embed_sounds(house: House, sounds: list[Sound], ticket: Ticket) -> list[SoundResult]:
    """Return each sound's result, in order."""
    turn = asyncio.Semaphore(SOUNDS_AT_ONCE)

    async def one(sound: Sound) -> SoundResult:
        async with turn:
            return await embed_sound(house, sound, ticket)

    return await asyncio.gather(*(one(sound) for sound in sounds))


def sound_answer(found: SoundResult) -> answers.SoundVectors:
    """Return a result in the answer's form."""
    vectors = [
        answers.SpanVector(
            start=each.span.start_seconds,
            end=each.span.end_seconds,
            speech_seconds=round(each.speech_seconds, 3),
            vector=None if each.vector is None else each.vector.tolist(),
            error=answers.ItemProblem.of(each.error),
        )
        for each in found.spans
    ]
    return answers.SoundVectors(
        audio_duration=found.duration_seconds, vectors=vectors, error=answers.ItemProblem.of(found.error)
    )
