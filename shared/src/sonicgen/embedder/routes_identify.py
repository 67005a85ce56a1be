"""Who the voices of a recording are: their speech to vectors, and the decision over all of them at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from fastapi import APIRouter
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from sonicgen.embedder import answers
from sonicgen.embedder.house import House
from sonicgen.embedder.parameters import InHouse, WithTicket
from sonicgen.embedder.problems import Code, RequestError
from sonicgen.embedder.routes_pipeline import MOST_SOUNDS, SoundRequest, embed_sounds
from sonicgen.embedder.work import SoundResult
from sonicgen.voices.identify import Thresholds, profile

router = APIRouter(tags=["pipeline"])
MOST_VOICES = 200
NO_SPEECH = "no_speech"
_Share = Annotated[float | None, Field(ge=0, le=1)]


class VectorRequest(BaseModel):
    """A vector that was made before by the model that runs."""

    vector: list[float]
    speech_seconds: float = Field(gt=0, allow_inf_nan=False)


class VoiceRequest(BaseModel):
    """One voice's speech: sounds, vectors, or both."""

    label: str
    sounds: list[SoundRequest] = Field(default_factory=list, max_length=MOST_SOUNDS)
    vectors: list[VectorRequest] = Field(default_factory=list, max_length=MOST_SOUNDS)


class ThresholdsRequest(BaseModel):
    """What a decision asks for; what is not given stays as it is by default."""

    probability: _Share = None
    margin: _Share = None
    known_share: _Share = None
    seconds: float | None = Field(default=None, ge=0, le=3600)
    same_voice: _Share = None


class IdentifyRequest(BaseModel):
    """The voices of one recording, all of them: nobody is named twice among them."""

    voices: list[VoiceRequest] = Field(max_length=MOST_VOICES)
    thresholds: ThresholdsRequest = ThresholdsRequest()


@dataclass(frozen=True, slots=True)
class _Heard:
    """One voice: the mean of all its speech, or why there is none."""

    label: str
    vector: NDArray[np.float32] | None
    seconds: float
    error: RequestError | None = None


@router.post("/identify")
async def identify(house: InHouse, ticket: WithTicket, request: IdentifyRequest) -> answers.Identified:
    """Who the voices of a recording are, by the gallery of the model that runs; nothing is stored."""
    started = time.monotonic()
    sounds = [each.sound() for voice in request.voices for each in voice.sounds]
    found = iter(await embed_sounds(house, sounds, ticket))
    dimension = house.models.encoder.model.dimension
    heard = [_heard(voice, [next(found) for _ in voice.sounds], dimension) for voice in request.voices]
    thresholds = Thresholds(**(Thresholds().as_json() | request.thresholds.model_dump(exclude_none=True)))
    decided, people, index = await house.prepare(lambda: _decide(house, heard, thresholds), ticket)
    return answers.Identified(
        voices=[decided.get(number) or _unheard(each) for number, each in enumerate(heard)],
        thresholds=thresholds.as_json(),
        people=people,
        index=index,
        **answers.ran(house.models.runner(), time.monotonic() - started),
    )


def _heard(voice: VoiceRequest, results: Sequence[SoundResult], dimension: int) -> _Heard:
    rows, seconds = [], []
    error: RequestError | None = None
    for each in voice.vectors:
        if len(each.vector) != dimension or not np.isfinite(each.vector).all() or not any(each.vector):
            raise RequestError(
                Code.WRONG_DIMENSION, f"A vector of voice {voice.label} is not one of {dimension} finite numbers."
            )
        rows.append(np.asarray(each.vector, np.float32))
        seconds.append(each.speech_seconds)
    for result in results:
        error = error or result.error
        for span in result.spans:
            error = error or span.error
            if span.vector is not None:
                rows.append(span.vector)
                seconds.append(span.speech_seconds)
    if error is not None and error.is_transient:  # half of a voice might be somebody else
        raise error
    if not rows:
        return _Heard(
            voice.label, None, 0.0, error or RequestError(Code.NO_SPEECH, "There is no speech of this voice.")
        )
    return _Heard(voice.label, profile(np.array(rows), seconds), sum(seconds))


def _decide(
    house: House, heard: Sequence[_Heard], thresholds: Thresholds
) -> tuple[dict[int, answers.VoiceIdentity], int, str]:
    # Imported here: the database and the index are what only this route needs.
    from sonicgen.steps.identify_voices import HeardVoice, identify_voices

    places = [number for number, each in enumerate(heard) if each.vector is not None]
    asked = [HeardVoice(each.label, each.vector, each.seconds) for each in heard if each.vector is not None]
    encoder = house.models.encoder
    found = identify_voices(house.services, encoder.model, encoder.calibration, asked, thresholds)
    decided = {}
    for number, voice, identity, unknown in zip(places, asked, found.identities, found.unknown, strict=True):
        decided[number] = answers.VoiceIdentity(
            label=identity.label,
            outcome=identity.outcome,
            speaker_id=identity.speaker_id,
            probability=identity.probability,
            margin=identity.margin,
            cosine=identity.cosine,
            best_id=identity.best_id,
            runner_up_id=identity.runner_up_id,
            unknown=[answers.Near(speaker_id=each.speaker_id, cosine=each.cosine) for each in unknown],
            speech_seconds=round(voice.seconds, 3),
            vector=voice.vector.tolist(),
            error=None,
        )
    return decided, found.people, found.index


def _unheard(voice: _Heard) -> answers.VoiceIdentity:
    return answers.VoiceIdentity(
        label=voice.label,
        outcome=NO_SPEECH,
        speaker_id=None,
        probability=0.0,
        margin=0.0,
        cosine=None,
        best_id=None,
        runner_up_id=None,
        unknown=[],
        speech_seconds=0.0,
        vector=None,
        error=answers.ItemProblem.of(voice.error),
    )
