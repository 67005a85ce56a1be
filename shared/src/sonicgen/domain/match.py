"""A match between a stretch of one recording and a stretch of another."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Decision(StrEnum):
    """What SonicGen says of a match."""

    MATCH = "match"  # sure enough to act on, by the false-positive rate that was set
    UNSURE = "unsure"  # better than chance, not sure enough to act on


@dataclass(frozen=True, slots=True)
class Match:
    """One aligned range: query seconds against reference seconds.

    `speed` is how fast the query plays the reference (1.02: two percent faster), `pitch` the same for frequency.
    `score` is the number of aligned peaks, `probability` that the match is real, `log10_chance` the expected number of
    equally good matches by chance over all that was tried, as a power of ten.
    """

    recording: int  # Recording.number
    query_start_seconds: float
    query_end_seconds: float
    reference_start_seconds: float
    reference_end_seconds: float
    speed: float
    pitch: float
    score: float
    probability: float
    log10_chance: float
    decision: Decision

    @property
    def query_seconds(self) -> float:
        """How much of the query it covers."""
        return self.query_end_seconds - self.query_start_seconds
