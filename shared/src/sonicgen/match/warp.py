"""Guesses at how a query was sped up, slowed down or shifted in pitch, in the order in which they are worth trying.

The query's peaks are rescaled, never the audio. The fit that follows a hit is exact, so the grid only has to come near.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sonicgen.match.votes import Question
from sonicgen.sound.landmarks import query_landmarks
from sonicgen.sound.peaks import Peaks


@dataclass(frozen=True, slots=True)
class Warp:
    """The query plays `tempo` times as fast as the reference and sounds `pitch` times as high."""

    tempo: float = 1.0
    pitch: float = 1.0


@dataclass(frozen=True, slots=True)
class Density:
    """How densely to ask: targets an anchor, keys a landmark."""

    fan: int
    probes: int

    @property
    def keys(self) -> int:
        """Keys an anchor, at most."""
        return self.fan * (self.fan - 1) // 2 * self.probes


def _speeds(*percents: float) -> tuple[Warp, ...]:
    return tuple(Warp(1 + sign * p / 100, 1 + sign * p / 100) for p in percents for sign in (-1, 1))


def _pitches(*percents: float) -> tuple[Warp, ...]:
    return tuple(Warp(1.0, 1 + sign * p / 100) for p in percents for sign in (-1, 1))


def _tempos(*percents: float) -> tuple[Warp, ...]:
    return tuple(Warp(1 + sign * p / 100, 1.0) for p in percents for sign in (-1, 1))


UNCHANGED = (Warp(),)
# A key tolerates about 1 % of pitch (half of 1/24 octave) and 2 % of tempo. Up to ±5 %: what uploads are usually
# disguised with.
NEAR = _speeds(1.5, 3, 4.5) + _pitches(1.5, 3, 4.5) + _tempos(2.5, 5)
# Up to speed ±10 %, pitch ±6 % (a semitone), tempo ±15 %.
FAR = _speeds(6, 7.5, 9, 10.5) + _pitches(6) + _tempos(7.5, 10, 12.5, 15)
GRID = NEAR + FAR

# From the densest: targets an anchor, keys a landmark.
_DENSITIES = tuple(Density(*both) for both in ((8, 6), (8, 4), (6, 6), (6, 4), (5, 4), (4, 4), (4, 2), (3, 2)))


def ask(peaks: Peaks, warps: Sequence[Warp], most_keys: int) -> list[Question]:
    """Return what the query asks for under each guess, with at most about `most_keys` keys.

    The fewer peaks there are, the more densely each is asked for; of too many only the strongest are anchors.
    """
    affordable = most_keys / max(1, len(peaks))
    density = next((d for d in _DENSITIES if d.keys <= affordable), _DENSITIES[-1])
    share = affordable / density.keys
    weakest = 0.0 if share >= 1.0 else float(np.quantile(peaks.strengths, 1.0 - share))
    return [
        Question(*query_landmarks(peaks, density.fan, density.probes, w.tempo, w.pitch, weakest_anchor=weakest))
        for w in warps
    ]
