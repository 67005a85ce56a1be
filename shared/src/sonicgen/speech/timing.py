"""When each piece of a line is said: pieces of its very text, with times that never run backwards.

Providers leave words without times, give a word the time of another line, or count in spaces where the language writes
none. What cannot be used is filled in between the neighbours, in proportion to the characters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from sonicgen.domain.transcript import Utterance, Word

# A word may begin this much before its line or end this much after it: providers round both.
_SLACK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Piece:
    """A word as it stands in the line's text, with what follows it up to the next word; whole milliseconds."""

    text: str
    start_ms: int
    end_ms: int


def timed_pieces(utterance: Utterance) -> list[Piece]:
    """Return a line in pieces; joined they are its text, with every run of white space as one space.

    Pieces are in order: each starts no earlier than the one before it ends, and lies inside the line's own time.
    """
    text = " ".join(utterance.text.split())
    if not text:
        return []
    words = [word for word in utterance.words if word.text.strip()]
    places = locate_words(text, [word.text for word in words])
    if places is None or not words:
        texts = [f"{part} " for part in text.split()]
        spans: list[tuple[float, float] | None] = [None] * len(texts)
    else:
        starts = [0, *(start for start, _ in places[1:]), len(text)]
        texts = [text[a:b] for a, b in pairwise(starts)]
        spans = [_usable(word, utterance) for word in words]
    texts[-1] = texts[-1].rstrip()
    times = fill_times(texts, spans, utterance.start_seconds, utterance.end_seconds)
    return [
        Piece(text, round(start * 1000), round(end * 1000)) for text, (start, end) in zip(texts, times, strict=True)
    ]


def locate_words(text: str, words: Sequence[str]) -> list[tuple[int, int]] | None:
    """Return where each word stands in a text that holds them in order; None when it holds something else between.

    Punctuation and white space may stand between words, letters and digits may not.
    """
    places, at = [], 0
    for word in words:
        wanted = " ".join(word.split())
        start = text.find(wanted, at)
        if start < 0 or any(character.isalnum() for character in text[at:start]):
            return None
        at = start + len(wanted)
        places.append((start, at))
    return None if any(character.isalnum() for character in text[at:]) else places


def fill_times(
    texts: Sequence[str],
    spans: Sequence[tuple[float, float] | None],
    start_seconds: float,
    end_seconds: float,
) -> list[tuple[float, float]]:
    """Return a time for each text: its own where it has one that fits, else its share of the gap it lies in.

    The times are in order, do not overlap, and lie between the two ends.
    """
    end_seconds = max(start_seconds, end_seconds)
    times: list[tuple[float, float]] = []
    at, index = start_seconds, 0
    while index < len(texts):
        span = spans[index]
        if span is not None:
            start = min(max(span[0], at), end_seconds)
            at = min(max(span[1], start), end_seconds)
            times.append((start, at))
            index += 1
            continue
        stop = index
        while stop < len(texts) and spans[stop] is None:
            stop += 1
        following = spans[stop] if stop < len(texts) else None
        until = end_seconds if following is None else min(max(following[0], at), end_seconds)
        weights = [max(1, len(text.strip())) for text in texts[index:stop]]
        for weight, share in zip(weights, _running_shares(weights), strict=True):
            start = at + (until - at) * (share - weight) / sum(weights)
            times.append((start, at + (until - at) * share / sum(weights)))
        at, index = until, stop
    return times


def _running_shares(weights: Sequence[int]) -> list[int]:
    total, shares = 0, []
    for weight in weights:
        total += weight
        shares.append(total)
    return shares


def _usable(word: Word, utterance: Utterance) -> tuple[float, float] | None:
    """Return a word's times when they can be its own: finite, not backwards, inside its line."""
    start, end = word.start_seconds, word.end_seconds
    if not (math.isfinite(start) and math.isfinite(end)) or end < start:
        return None
    if start < utterance.start_seconds - _SLACK_SECONDS or end > utterance.end_seconds + _SLACK_SECONDS:
        return None
    # Zero at both ends is how a missing time reads; it can only be meant where the line begins there.
    if start == end == 0 and utterance.end_seconds > 0:
        return None
    return start, end
