"""A turn of a voice that has no name yet."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Turn:
    """From where to where one voice speaks; voices are numbered from 0 in the order in which they are first heard."""

    voice: int
    start_seconds: float
    end_seconds: float
