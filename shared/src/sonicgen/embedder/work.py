"""What the routes have in common: files and objects to speech, speech to vectors, sound to turns."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from sonicgen.cloud.objects import open_object
from sonicgen.domain.embedding import Hints, Sound, Span
from sonicgen.domain.turn import Turn
from sonicgen.embedder.hearing import hear
from sonicgen.embedder.house import House
from sonicgen.embedder.problems import Code, RequestError, explained
from sonicgen.embedder.speech import (
    CERTAIN_SECONDS,
    MARGIN_SECONDS,
    Outcome,
    check_span,
    speech_of,
    speech_within,
)
from sonicgen.embedder.tickets import Ticket
from sonicgen.voices.samples import Samples

logger = logging.getLogger(__name__)

# Opens what is to be heard; called in a worker's thread.
Opener = Callable[[], AbstractContextManager[BinaryIO]]
TRUNCATED = "The file is damaged or ends before the length that it states; what could be decoded was used."


@dataclass(frozen=True, slots=True)
class FileVoice:
    """The voice in a file: the mean of its pieces' unit vectors, not brought to length one, and what it rests on."""

    mean: NDArray[np.float32]
    duration_seconds: float
    speech_seconds: float
    warnings: tuple[str, ...]

    @property
    def vector(self) -> NDArray[np.float32]:
        """The unit vector."""
        return unit(self.mean)


@dataclass(frozen=True, slots=True)
class FileTurns:
    """Who speaks when in a file."""

    turns: tuple[Turn, ...]
    duration_seconds: float
    diarizer: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SpanResult:
    """A span's unit vector, or why there is none."""

    span: Span
    speech_seconds: float
    vector: NDArray[np.float32] | None
    error: RequestError | None


@dataclass(frozen=True, slots=True)
class SoundResult:
    """An object's vectors, or why it could not be used."""

    duration_seconds: float | None
    spans: tuple[SpanResult, ...]
    error: RequestError | None


def unit(vector: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return a vector at length one."""
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), np.float32)


def given_file(file: BinaryIO) -> Opener:
    """Return an opener of a file that is open, and stays so."""
    return lambda: nullcontext(file)


async def embed_file(house: House, opener: Opener, ticket: Ticket, span: Span | None = None) -> FileVoice:
    """Return the voice in a file, or in a span of it."""
    if span is not None:
        check_span(span)

    def prepare() -> tuple[FileVoice, list[Samples]]:
        with opener() as file:
            heard = hear(file, house.limits, ticket)
        speech = speech_of(heard.samples, span)
        warnings = [TRUNCATED] if heard.is_truncated else []
        if speech.seconds < CERTAIN_SECONDS:
            warnings.append(f"Only {speech.seconds:.1f} s of speech: the vector is uncertain; 10 s are better.")
        nothing = np.empty(0, np.float32)
        return FileVoice(nothing, heard.duration_seconds, speech.seconds, tuple(warnings)), list(speech)

    async with house.holding:
        voice, windows = await house.prepare(prepare, ticket)
        rows = await house.vectors(windows, ticket)
    return replace(voice, mean=rows.mean(axis=0))


async def diarize_file(house: House, opener: Opener, ticket: Ticket, hints: Hints) -> FileTurns:
    """Return who speaks when in a file; nobody, where nobody speaks."""
    diarizer = house.models.diarizer
    least = hints.minimum_seconds or 0.0

    def diarize() -> FileTurns:
        with opener() as file:
            heard = hear(file, house.limits, ticket)
        turns = diarizer.diarize(heard.samples, hints, lambda windows: house.embed_all(windows, ticket))
        kept = tuple(turn for turn in turns if turn.end_seconds - turn.start_seconds >= least)
        return FileTurns(kept, heard.duration_seconds, diarizer.name, (TRUNCATED,) if heard.is_truncated else ())

    return await house.diarize(diarize, ticket)


async def embed_sound(house: House, sound: Sound, ticket: Ticket) -> SoundResult:
    """Return a vector for each span of an object, which is streamed and decoded once; never raises for its content."""

    def work() -> SoundResult:
        # What lies behind the last span need not come at all; a little of it tells the background from the voice.
        until = max((span.end_seconds for span in sound.spans), default=None)
        with object_opener(sound)() as file:
            heard = hear(file, house.limits, ticket, until_seconds=None if until is None else until + MARGIN_SECONDS)
        outcomes = speech_within(heard.samples, sound.spans or (Span(0.0, heard.duration_seconds),))
        rows = house.embed_all((window for each in outcomes for window in each.speech or ()), ticket)
        return SoundResult(heard.duration_seconds, tuple(_span_results(outcomes, rows)), None)

    try:
        return await house.listen(work, ticket)
    except Exception as error:
        ticket.check()
        return SoundResult(None, (), _noted(error))


def _span_results(outcomes: Sequence[Outcome], rows: NDArray[np.float32]) -> Iterator[SpanResult]:
    at = 0
    for each in outcomes:
        if each.speech is None:
            yield SpanResult(each.span, 0.0, None, each.error)
            continue
        own = rows[at : at + len(each.speech)]
        at += len(each.speech)
        yield SpanResult(each.span, each.speech.seconds, unit(own.mean(axis=0)), None)


def object_opener(sound: Sound) -> Opener:
    """Return an opener of an object in the bucket."""
    return lambda: closing(cast(BinaryIO, open_object(sound.bucket, sound.name, sound.generation)))


def _noted(error: Exception) -> RequestError:
    found = explained(error)
    if found.code is Code.INTERNAL:
        logger.error("An object's embedding failed.", exc_info=error)
    return found
