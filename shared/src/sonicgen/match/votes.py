"""Votes: which (recording, offset) the landmarks of a query agree on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sonicgen.match.index import Candidate

BIN_FRAMES = 8  # 0.19 s: wide enough for the drift of a clip whose tempo is half a grid step off
_OFFSET_BITS = 28  # 2^27 frames either way, 36 days


def count_votes(
    recordings: NDArray[np.int32], reference_frames: NDArray[np.int32], query_frames: NDArray[np.int32], limit: int
) -> list[Candidate]:
    """Return the best-supported (recording, offset) pairs of the hits, most votes first, at most `limit`.

    The arrays are of equal length: for every posting found its recording, its frame, and the query's frame. Offsets are
    counted in bins of 8 frames; a bin counts with its upper neighbour, so that an offset on a border loses nothing.
    """
    if not len(recordings):
        return []
    bins = (reference_frames.astype(np.int64) - query_frames) // BIN_FRAMES + (1 << (_OFFSET_BITS - 1))
    places, counts = np.unique(recordings.astype(np.int64) << _OFFSET_BITS | bins, return_counts=True)
    votes = counts.copy()
    neighbours = np.nonzero(np.diff(places) == 1)[0]
    votes[neighbours] += counts[neighbours + 1]
    best = np.argsort(-votes, kind="stable")[:limit]
    mask = (1 << _OFFSET_BITS) - 1
    offsets = ((places[best] & mask) - (1 << (_OFFSET_BITS - 1)) + 1) * BIN_FRAMES
    return [
        Candidate(int(recording), int(offset), int(count))
        for recording, offset, count in zip(places[best] >> _OFFSET_BITS, offsets, votes[best], strict=True)
    ]
