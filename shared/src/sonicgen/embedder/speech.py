"""Where somebody speaks in spans of a sound, and that speech in pieces of fixed lengths for an encoder."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sonicgen.domain.embedding import Span
from sonicgen.embedder.activity import find_speech
from sonicgen.embedder.problems import Code, RequestError
from sonicgen.voices.activity import Stretch
from sonicgen.voices.encoder import PIECE_SECONDS
from sonicgen.voices.samples import SAMPLE_RATE_HZ, Samples, duration_seconds

# The lengths that an encoder is given: speech is cut into pieces of the longest that fits, which overlap a little
# rather than leave a rest. So batches hold pieces of one length, and nothing is ever padded.
LADDER_SECONDS = (PIECE_SECONDS, 2.0, 1.5, 1.0, 0.5)
SHORTEST_SECONDS = LADDER_SECONDS[-1]
PIECE_SAMPLES = tuple(int(seconds * SAMPLE_RATE_HZ) for seconds in LADDER_SECONDS)
# Five minutes of a voice, evenly spread over all of its speech, say what a vector can hold; and 19 MB is what a request
# then keeps while it waits.
MOST_PIECES = 100
# Below this a vector is worth little: at 1.5 s twice as many errors as at 3 s (docs/embedder.md).
CERTAIN_SECONDS = 2.0
# How much around a span is looked at, to know the background from the voice.
MARGIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Speech:
    """The speech of one voice; iterating gives pieces of one length for an encoder, copied out of the sound.

    They are spread evenly over the stretches (samples from, to) as if these lay side by side.
    """

    samples: Samples
    stretches: tuple[tuple[int, int], ...]

    @property
    def seconds(self) -> float:
        """How much there is."""
        return sum(end - start for start, end in self.stretches) / SAMPLE_RATE_HZ

    def __len__(self) -> int:
        """Return how many pieces there are."""
        total = sum(end - start for start, end in self.stretches)
        return min(MOST_PIECES, max(1, math.ceil(total / self._piece_samples(total) - 0.1)))

    def __iter__(self) -> Iterator[Samples]:
        """Yield the pieces."""
        lengths = np.array([end - start for start, end in self.stretches])
        ends = np.cumsum(lengths)
        total = int(ends[-1])
        size = self._piece_samples(total)
        for start in np.linspace(0, total - size, len(self)).astype(int):
            parts = []
            index = int(np.searchsorted(ends, start, side="right"))
            at, left = int(start), size
            while left:
                offset = at - int(ends[index] - lengths[index])
                taken = min(left, int(lengths[index]) - offset)
                first = self.stretches[index][0] + offset
                parts.append(self.samples[first : first + taken])
                at, left, index = at + taken, left - taken, index + 1
            yield np.concatenate(parts)

    @staticmethod
    def _piece_samples(total: int) -> int:
        return next(size for size in PIECE_SAMPLES if size <= total)


def speech_of(samples: Samples, span: Span | None = None) -> Speech:
    """Return the speech in a sound or a span of it; raise RequestError when there is none or too little."""
    whole = Span(0.0, duration_seconds(samples))
    return next(iter(speech_within(samples, [span or whole]))).get()


@dataclass(frozen=True, slots=True)
class Outcome:
    """A span's speech, or why there is none."""

    span: Span
    speech: Speech | None
    error: RequestError | None = None

    def get(self) -> Speech:
        """Return the speech or raise the error."""
        if self.speech is None:
            raise self.error or RequestError(Code.NO_SPEECH, "Nobody speaks there.")
        return self.speech


def speech_within(samples: Samples, spans: Sequence[Span]) -> list[Outcome]:
    """Return each span's speech; where spans lie close together, what is around them is listened to once."""
    duration = duration_seconds(samples)
    stretches = [
        Stretch(island.start_seconds + each.start_seconds, island.start_seconds + each.end_seconds)
        for island in _islands(spans, duration)
        for each in find_speech(_cut(samples, island))
    ]
    return [_outcome(samples, span, stretches, duration) for span in spans]


def check_span(span: Span, duration: float = math.inf) -> None:
    """Raise RequestError for a span that cannot be, or not in a sound so long."""
    if not (math.isfinite(span.start_seconds) and math.isfinite(span.end_seconds)):
        raise RequestError(Code.BAD_RANGE, "A range's start and end must be numbers of seconds.")
    if span.start_seconds < 0 or span.end_seconds <= span.start_seconds:
        raise RequestError(
            Code.BAD_RANGE,
            f"The range from {span.start_seconds:g} to {span.end_seconds:g} s is none; "
            "a range starts at 0 or later and ends after its start.",
        )
    if span.start_seconds >= duration:
        raise RequestError(
            Code.BAD_RANGE, f"The range starts at {span.start_seconds:g} s, and the sound ends at {duration:.1f} s."
        )


def _outcome(samples: Samples, span: Span, stretches: Iterable[Stretch], duration: float) -> Outcome:
    try:
        check_span(span, duration)
        own = list(_within(stretches, span))
        return Outcome(span, _speech(samples, own, min(span.end_seconds, duration) - span.start_seconds))
    except RequestError as error:
        return Outcome(span, None, error)


def _speech(samples: Samples, own: Sequence[tuple[int, int]], available: float) -> Speech:
    if available < SHORTEST_SECONDS:
        raise RequestError(
            Code.TOO_SHORT,
            f"There are {available:.2f} s of sound; a voice needs at least {SHORTEST_SECONDS:g} s, better 10 s.",
        )
    if not own:
        raise RequestError(Code.NO_SPEECH, "Nobody speaks there: it is silence, noise or music.")
    seconds = sum(end - start for start, end in own) / SAMPLE_RATE_HZ
    if seconds < SHORTEST_SECONDS:
        raise RequestError(
            Code.TOO_SHORT,
            f"There are {seconds:.2f} s of speech; a voice needs at least {SHORTEST_SECONDS:g} s, better 10 s.",
        )
    return Speech(samples, tuple(own))


def _within(stretches: Iterable[Stretch], span: Span) -> Iterator[tuple[int, int]]:
    for each in stretches:
        start, end = max(each.start_seconds, span.start_seconds), min(each.end_seconds, span.end_seconds)
        if end > start:
            yield int(start * SAMPLE_RATE_HZ), int(end * SAMPLE_RATE_HZ)


def _islands(spans: Iterable[Span], duration: float) -> list[Span]:
    """Return the spans with their margins, those that touch joined."""
    islands: list[Span] = []
    for start, end in sorted(
        (max(0.0, each.start_seconds - MARGIN_SECONDS), min(duration, each.end_seconds + MARGIN_SECONDS))
        for each in spans
        if each.start_seconds < duration
    ):
        if end <= start:
            continue
        if islands and start <= islands[-1].end_seconds:
            islands[-1] = Span(islands[-1].start_seconds, max(end, islands[-1].end_seconds))
        else:
            islands.append(Span(start, end))
    return islands


def _cut(samples: Samples, span: Span) -> Samples:
    return samples[int(span.start_seconds * SAMPLE_RATE_HZ) : int(span.end_seconds * SAMPLE_RATE_HZ)]
