"""Where a second of one recording lies in another: maps of pieces, turned around and put one behind the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sonicgen.domain.match import Decision
from sonicgen.origin.ranges import Range, total_seconds

# Shorter remains of two pieces that hardly overlap are the seams of their matches.
SHORTEST_SECONDS = 1.0
# Pieces continue each other when the second begins where the first would have gone on, as exactly as both are known.
SAME_LINE_SECONDS = 0.1
SAME_SPEED = 0.005


@dataclass(frozen=True, slots=True)
class Piece:
    """One stretch of a recording (`here`) that lies in another (`there`), both in seconds.

    `speed` is how fast the recording plays what the other holds, `pitch` the same for frequency; `score`, `probability`
    and `log10_chance` are the match's (`sonicgen.domain.match.Match`).
    """

    here: Range
    there: Range
    speed: float = 1.0
    pitch: float = 1.0
    score: float = 0.0
    probability: float = 1.0
    log10_chance: float = 0.0
    decision: Decision = Decision.MATCH

    def at(self, seconds: float) -> float:
        """Return where a moment of `here` lies there."""
        start, end = self.here
        share = (seconds - start) / (end - start)
        return self.there[0] + share * (self.there[1] - self.there[0])


def invert(pieces: Iterable[Piece]) -> list[Piece]:
    """Return the same map from the other side."""
    return [
        replace(piece, here=piece.there, there=piece.here, speed=1 / piece.speed, pitch=1 / piece.pitch)
        for piece in pieces
        if piece.there[1] > piece.there[0]
    ]


def compose(first: Iterable[Piece], second: Sequence[Piece]) -> list[Piece]:
    """Return the map that leads from where `first` begins to where `second` ends, in order of time.

    A chain is no surer than its weaker link. Of two that overlap the longer one is returned: the other leads to a
    likeness, such as another verse.
    """
    found = []
    for piece in first:
        if piece.there[1] <= piece.there[0]:
            continue
        back = invert([piece])[0]
        for other in second:
            start, end = max(piece.there[0], other.here[0]), min(piece.there[1], other.here[1])
            if end - start < SHORTEST_SECONDS:
                continue
            found.append(
                Piece(
                    here=(back.at(start), back.at(end)),
                    there=(other.at(start), other.at(end)),
                    speed=piece.speed * other.speed,
                    pitch=piece.pitch * other.pitch,
                    score=min(piece.score, other.score),
                    probability=min(piece.probability, other.probability),
                    log10_chance=max(piece.log10_chance, other.log10_chance),
                )
            )
    return _without_likenesses(found)


def _without_likenesses(pieces: Sequence[Piece]) -> list[Piece]:
    kept: list[Piece] = []
    for piece in sorted(pieces, key=lambda piece: piece.here[0] - piece.here[1]):
        start, end = piece.here
        overlaps = (min(end, other.here[1]) - max(start, other.here[0]) for other in kept)
        if all(overlap < (end - start) / 2 for overlap in overlaps):
            kept.append(piece)
    return _joined(sorted(kept, key=lambda piece: piece.here))


def _joined(pieces: Sequence[Piece]) -> list[Piece]:
    """Return the pieces, those in one that continue each other: a seam of the one map is none of the other."""
    joined: list[Piece] = []
    for piece in pieces:
        if joined and _continues(joined[-1], piece):
            last = joined[-1]
            joined[-1] = replace(
                last,
                here=(last.here[0], piece.here[1]),
                there=(last.there[0], piece.there[1]),
                score=last.score + piece.score,
                log10_chance=min(last.log10_chance, piece.log10_chance),
                probability=max(last.probability, piece.probability),
            )
        else:
            joined.append(piece)
    return joined


def _continues(one: Piece, other: Piece) -> bool:
    gap_here, gap_there = other.here[0] - one.here[1], other.there[0] - one.there[1]
    is_near = abs(gap_here) <= SHORTEST_SECONDS and abs(gap_there - gap_here) <= SAME_LINE_SECONDS
    return is_near and abs(one.speed / other.speed - 1) <= SAME_SPEED


def may_reach_further(pieces: Sequence[Piece], here_seconds: float, there_seconds: float) -> bool:
    """Return whether a map, taken on along its lines, would lead on within both recordings (of these lengths).

    What was seen through a third recording ends where that one has something else.
    """
    ordered = sorted(pieces, key=lambda piece: piece.here[0])
    befores = [0.0, *(piece.here[1] for piece in ordered)]
    afters = [*(piece.here[0] for piece in ordered[1:]), here_seconds]
    return any(
        min(piece.here[0] - before, piece.there[0] / piece.speed) > SHORTEST_SECONDS
        or min(after - piece.here[1], (there_seconds - piece.there[1]) / piece.speed) > SHORTEST_SECONDS
        for before, piece, after in zip(befores, ordered, afters, strict=False)
    )


def here_seconds(pieces: Iterable[Piece]) -> float:
    """Return how much of the recording the pieces cover, counting no moment twice."""
    return total_seconds(piece.here for piece in pieces)


def there_seconds(pieces: Iterable[Piece]) -> float:
    """Return how much of the other they cover, counting no moment twice."""
    return total_seconds(piece.there for piece in pieces)


def locate(pieces: Sequence[Piece], seconds: float) -> float | None:
    """Return where a moment of the recording lies in the other; None where the other does not have it.

    Of several places (a jingle that comes twice) the one of the longest piece.
    """
    holding = [piece for piece in pieces if piece.here[0] <= seconds <= piece.here[1]]
    if not holding:
        return None
    return max(holding, key=lambda piece: piece.here[1] - piece.here[0]).at(seconds)
