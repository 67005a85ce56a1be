"""Guesses at how a query was sped up, slowed down or shifted in pitch, in the order in which they are worth trying.

The query's peaks are rescaled, never the audio. The fit that follows a hit is exact, so the grid only has to come near.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonicgen.sound.landmarks import query_landmarks
from sonicgen.sound.peaks import Peaks


@dataclass(frozen=True, slots=True)
class Warp:
    """The query plays `tempo` times as fast as the reference and sounds `pitch` times as high."""

    tempo: float = 1.0
    pitch: float = 1.0


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the search: warps to try, and how densely to ask (targets an anchor, keys a landmark)."""

    warps: tuple[Warp, ...]
    fan: int
    probes: int
    tried: int  # warps tried up to and with this stage: chance has had that many goes


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

QUICK = Stage(UNCHANGED, 4, 2, 1)
DENSE = Stage(UNCHANGED, 6, 6, 1)
WARPED = Stage(NEAR, 6, 6, len(NEAR))
WIDE = Stage(FAR, 6, 6, len(NEAR) + len(FAR))


def landmarks(peaks: Peaks, warp: Warp, stage: Stage) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the (keys, frames) that the query asks for under one guess."""
    return query_landmarks(peaks, stage.fan, stage.probes, warp.tempo, warp.pitch)
