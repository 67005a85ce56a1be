"""What matching asks of an index, wherever the index is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sonicgen.sound.peaks import Peaks


@dataclass(frozen=True, slots=True)
class Candidate:
    """A recording and an offset at which several landmarks of the query agree.

    `delta_frames` is the reference frame at query frame 0 (after the query was rescaled); `votes` how many landmarks
    say so.
    """

    recording: int
    delta_frames: int
    votes: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a recording: first_frame <= frame <= last_frame."""

    recording: int
    first_frame: int
    last_frame: int


@dataclass(frozen=True, slots=True)
class Postings:
    """Where the landmarks that were asked for occur.

    `counts[i]` postings belong to the i-th key (int64). `recordings` (int64, below 2^38) and `frames` (int32, below
    2^24) hold them one after the other, those of a key in order of recording and frame, each once.
    """

    counts: NDArray[np.int64]
    recordings: NDArray[np.int64]
    frames: NDArray[np.int32]


class Index(Protocol):
    """Postings by landmark key, and every recording's peaks for verification."""

    def postings(self, keys: NDArray[np.int32]) -> Postings:
        """Return the postings of keys, which ascend without repetition.

        Keys with too many postings carry no information and are left out whole (count 0), never cut off by recording.
        """

    def peaks(self, stretches: Sequence[Stretch]) -> list[Peaks]:
        """Return the peaks in each stretch, empty where there are none; many stretches cost hardly more than one."""

    def indexed_seconds(self) -> float:
        """Return how many seconds of sound the index holds."""
