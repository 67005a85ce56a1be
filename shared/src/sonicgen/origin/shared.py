"""Shared material: stretches that several recordings hold although none is a copy of the other (intro, jingle, advert).

A stretch is shared when at least three other recordings hold it and each of them is otherwise something else: what the
two have in common is less than half of either. Reposts of one clip are no shared material, however many there are: the
original holds most of a repost, so they are copies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from sonicgen.origin.ranges import Range, total_seconds, union

# Two recordings with a stretch in common are a quotation and its source, or two quotations of one source that is not
# known; from the third on the stretch belongs to none of them.
FEWEST_RECORDINGS = 3
# A recording that holds half of another, or is half held by it, is related to it as a whole: a copy, an excerpt, a
# longer cut. Intros and advertisements are a few percent of their programmes, a third of the shortest.
RELATED_SHARE = 0.5
# The shortest stretch that SonicGen recognises by itself.
SHORTEST_SECONDS = 2.0
# Ends of ranges are within half a second of the truth, so two that meet may leave a second between them.
SEAM_SECONDS = 1.0

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Held(Generic[Key]):
    """A stretch that another recording holds: where `here`, where `there`, in seconds.

    `family` is the other's original (or itself): its copies count as one recording with it. `recording` is the other.
    """

    family: Key
    recording: Key
    here: Range
    there: Range
    seconds: float  # the other's length


@dataclass(frozen=True, slots=True)
class SharedSegment:
    """A stretch of a recording, in seconds, that `count` other recordings hold too."""

    start_seconds: float
    end_seconds: float
    count: int

    @property
    def range(self) -> Range:
        """Its start and end."""
        return self.start_seconds, self.end_seconds

    def to_json(self) -> list[float | int]:
        """Return the documented form: [start, end, count]."""
        return [round(self.start_seconds, 3), round(self.end_seconds, 3), self.count]


def find_shared(seconds: float, held: Iterable[Held[Key]]) -> list[SharedSegment]:
    """Return the shared stretches of a recording of this length, in order.

    `held`: what is sure to be held by others, any number of stretches for each.
    """
    ranges = _unrelated(seconds, list(held))
    found: list[SharedSegment] = []
    for piece in _crowded(ranges):
        if found and piece.start_seconds - found[-1].end_seconds <= SEAM_SECONDS:
            last = found[-1]
            found[-1] = SharedSegment(last.start_seconds, piece.end_seconds, max(last.count, piece.count))
        else:
            found.append(piece)
    return [segment for segment in found if segment.end_seconds - segment.start_seconds >= SHORTEST_SECONDS]


def _unrelated(seconds: float, held: list[Held[Key]]) -> dict[Key, list[Range]]:
    """Return the stretches by family, without the families of which one is related to the recording as a whole."""
    by_recording: dict[Key, list[Held[Key]]] = defaultdict(list)
    for one in held:
        by_recording[one.recording].append(one)
    ranges: dict[Key, list[Range]] = defaultdict(list)
    related: set[Key] = set()
    for pieces in by_recording.values():
        family, length = pieces[0].family, pieces[0].seconds
        ranges[family] += [piece.here for piece in pieces]
        here = total_seconds(piece.here for piece in pieces)
        there = total_seconds(piece.there for piece in pieces)
        if here >= RELATED_SHARE * seconds or there >= RELATED_SHARE * length:
            related.add(family)
    return {family: union(pieces) for family, pieces in ranges.items() if family not in related}


def _crowded(ranges: dict[Key, list[Range]]) -> list[SharedSegment]:
    """Return the stretches that enough families hold, cut wherever their number changes."""
    moves = sorted(
        (moment, step) for pieces in ranges.values() for a, b in pieces for moment, step in ((a, 1), (b, -1))
    )
    pieces: list[SharedSegment] = []
    present, since = 0, 0.0
    for moment, step in moves:
        if present >= FEWEST_RECORDINGS and moment > since:
            pieces.append(SharedSegment(since, moment, present))
        present, since = present + step, moment
    return pieces
