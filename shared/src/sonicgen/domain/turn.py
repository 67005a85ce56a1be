"""A turn: one speaker speaks from here to there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch in which one speaker is heard; turns of different speakers may overlap. `speaker` is a label."""

    start_seconds: float
    end_seconds: float
    speaker: str
