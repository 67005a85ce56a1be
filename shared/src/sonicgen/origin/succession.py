"""Who succeeds whom as the original: compilations told apart, and the best source of a copy."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sonicgen.origin.evidence import Traits, Weighed, weigh
from sonicgen.origin.ranges import subtract, total_seconds
from sonicgen.origin.timemap import SHORTEST_SECONDS, Piece, compose, here_seconds, there_seconds

# Parts of two others may as well be two quotations from this one; from the third on it is likely the one that quotes.
FEWEST_SOURCES = 3
# A source counts when it adds at least this much of the whole, so that jingles and advertisements make no compilation.
COUNTED_SHARE = 0.05
COUNTED_SECONDS = 2.0
# A piece lies within another when no more of it is outside: seams are known to half a second on either side.
INNER_SHARE = 0.1
# A compilation's parts follow each other without gaps, each moment from one source. What others quote often has such
# parts too, but they overlap and leave gaps.
COMPILED_SHARE = 0.8
OVERLAPPING_SHARE = 0.1
# A loop of ten seconds "holds" every minute of the same loop. A source has nearly as much of its own for what it holds.
DISTINCT_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class Common:
    """What a recording has in common with another one: `pieces` lead from it to the other.

    `family` is the other's original, or the other itself.
    """

    other: UUID
    family: UUID
    pieces: tuple[Piece, ...]
    other_seconds: float


@dataclass(frozen=True, slots=True)
class Option:
    """A recording that a copy may come from: where the copy lies in it, and how long both are."""

    traits: Traits
    pieces: tuple[Piece, ...]
    seconds: float
    copy_seconds: float

    @property
    def is_distinct(self) -> bool:
        """Whether the copy lies in it once, not again and again in the same few seconds."""
        return there_seconds(self.pieces) >= DISTINCT_SHARE * here_seconds(self.pieces) * self.speed

    @property
    def surplus(self) -> float:
        """How many times longer it is than the copy, as long as the copy would be at its speed."""
        return self.seconds / max(self.copy_seconds * self.speed, 1e-3)

    @property
    def speed(self) -> float:
        """How fast the copy plays it."""
        longest = max(self.pieces, key=lambda piece: piece.here[1] - piece.here[0], default=None)
        return 1.0 if longest is None else longest.speed

    @property
    def inserted_seconds(self) -> float:
        """How much more other sound the copy has between stretches of it than it has between those of the copy."""
        ordered = sorted(self.pieces, key=lambda piece: piece.here)
        return sum(
            (after.here[0] - before.here[1]) * self.speed - (after.there[0] - before.there[1])
            for before, after in itertools.pairwise(ordered)
            if after.there[0] >= before.there[1] - SHORTEST_SECONDS
        )


def is_compilation(seconds: float, common: Iterable[Common], coverage: float) -> bool:
    """Return whether a recording of this length is put together from parts of others.

    What holds the recording as a whole, or is held by it as a whole, is no part: copies, excerpts, other editions.
    """
    by_family: dict[UUID, list[Piece]] = defaultdict(list)
    related: set[UUID] = set()
    for one in common:
        by_family[one.family] += one.pieces
        held, holding = here_seconds(one.pieces), there_seconds(one.pieces)
        if held >= coverage * seconds or holding >= coverage * one.other_seconds:
            related.add(one.family)
    parts = _without_inner({family: pieces for family, pieces in by_family.items() if family not in related})
    counted = [p for p in parts if here_seconds(p) >= max(COUNTED_SECONDS, COUNTED_SHARE * seconds)]
    apart = sum(here_seconds(pieces) for pieces in counted)
    together = total_seconds(piece.here for pieces in counted for piece in pieces)
    is_covered = together >= COMPILED_SHARE * seconds and apart - together <= OVERLAPPING_SHARE * seconds
    return len(counted) >= FEWEST_SOURCES and is_covered


def _without_inner(parts: Mapping[UUID, Sequence[Piece]]) -> list[list[Piece]]:
    """Return the pieces by family, without those that lie within a longer one of another family.

    What else quotes a source of a compilation has some of that part in common with it, and is no source.
    """
    kept: dict[UUID, list[Piece]] = defaultdict(list)
    everything = [(family, piece) for family, pieces in parts.items() for piece in pieces]
    for family, piece in sorted(everything, key=lambda one: (one[1].here[0] - one[1].here[1], one[0])):
        others = (other for others, pieces in kept.items() if others != family for other in pieces)
        length = piece.here[1] - piece.here[0]
        if all(total_seconds(subtract([piece.here], [other.here])) > INNER_SHARE * length for other in others):
            kept[family].append(piece)
    return list(kept.values())


def choose_source(copy: Traits, options: Sequence[Option]) -> tuple[Option, Weighed] | None:
    """Return which option a recording most likely comes from, and why; None when it is itself the source of all.

    Of several that are likelier than not, the one that is the source of most of the others. The answer does not depend
    on the order of the options.
    """
    weighed = [(option, weigh_option(copy, option)) for option in options if option.is_distinct]
    likely = [(option, verdict) for option, verdict in weighed if verdict.log_odds > 0]

    def rank(item: tuple[Option, Weighed]) -> tuple[int, float, UUID]:
        option, verdict = item
        wins = sum(_precedes(option, other) for other, _ in likely if other is not option)
        return wins, verdict.log_odds, option.traits.id

    return max(likely, key=rank, default=None)


def _precedes(one: Option, other: Option) -> bool:
    return weigh(one.traits, other.traits, surplus=one.seconds / max(other.seconds, 1e-3)).log_odds > 0


def weigh_option(copy: Traits, option: Option) -> Weighed:
    """Return how likely a recording comes from this option."""
    return weigh(
        option.traits, copy, surplus=option.surplus, speed=option.speed, inserted_seconds=option.inserted_seconds
    )


def reachable(
    pieces: Sequence[Piece], onward: Mapping[UUID, Sequence[Piece]], coverage: float
) -> dict[UUID, list[Piece]]:
    """Return which recordings hold a copy too, seen through the one that it is known to lie in.

    `pieces` lead from the copy to that one, `onward` from there to others.
    """
    known = here_seconds(pieces)
    found = {other: compose(pieces, further) for other, further in onward.items()}
    return {other: chain for other, chain in found.items() if here_seconds(chain) >= coverage * known > 0}
