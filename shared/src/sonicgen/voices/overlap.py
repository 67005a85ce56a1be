"""The second voice where two speak at once.

A vector of a window in which two voices are heard says little about the quieter one. But who speaks into somebody's
words mostly goes on when these end, or spoke just before: of two voices at once one is the turn's, the other its
neighbour's.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from sonicgen.voices.activity import Stretch
from sonicgen.voices.turn import Turn

# How far away the other voice's turn may be: of 1, 2, 5 and 30 s the last missed least (docs/voices.md).
NEIGHBOUR_SECONDS = 30.0


def add_second_voices(turns: Sequence[Turn], overlaps: Iterable[Stretch]) -> list[Turn]:
    """Return the turns, in order, with a second voice in each overlap that somebody else's turn touches or is near.

    `turns` follow each other in order and without overlap.
    """
    starts, ends = [turn.start_seconds for turn in turns], [turn.end_seconds for turn in turns]
    more: list[Turn] = []
    for overlap in overlaps:
        first = bisect_right(ends, overlap.start_seconds - NEIGHBOUR_SECONDS)
        last = bisect_left(starts, overlap.end_seconds + NEIGHBOUR_SECONDS)
        more += _both(turns[first:last], overlap)
    return sorted(_joined([*turns, *more]), key=attrgetter("start_seconds", "end_seconds"))


def _both(turns: Sequence[Turn], overlap: Stretch) -> Iterator[Turn]:
    """Yield a turn over the overlap for each of its two voices; nothing when only one is at hand, in or near it."""
    start, end = overlap.start_seconds, overlap.end_seconds
    inside: dict[int, float] = {}
    for turn in turns:
        shared = min(end, turn.end_seconds) - max(start, turn.start_seconds)
        if shared > 0:
            inside[turn.voice] = inside.get(turn.voice, 0.0) + shared
    if not inside:
        return
    first, *others = sorted(inside, key=lambda voice: -inside[voice])
    second = others[0] if others else _neighbour(turns, overlap, first)
    if second is not None:
        yield Turn(first, start, end)
        yield Turn(second, start, end)


def _neighbour(turns: Sequence[Turn], overlap: Stretch, voice: int) -> int | None:
    """Return whose turn is nearest to the overlap, of all voices but one; None when there is no other."""
    gaps = [
        (max(turn.start_seconds - overlap.end_seconds, overlap.start_seconds - turn.end_seconds), turn.voice)
        for turn in turns
        if turn.voice != voice
    ]
    return min(gaps)[1] if gaps else None


def _joined(turns: Iterable[Turn]) -> Iterator[Turn]:
    """Yield each voice's turns, those that touch or overlap as one."""
    for voice, own in groupby(sorted(turns, key=attrgetter("voice", "start_seconds")), key=attrgetter("voice")):
        start, end = None, 0.0
        for turn in own:
            if start is not None and turn.start_seconds > end:
                yield Turn(voice, start, end)
                start = None
            start, end = (
                (turn.start_seconds, turn.end_seconds) if start is None else (start, max(end, turn.end_seconds))
            )
        if start is not None:
            yield Turn(voice, start, end)
