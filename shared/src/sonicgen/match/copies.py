"""Where else in a recording a clip may lie: of a loop or a refrain, the copy that fits best is wanted.

The votes of a search bring up some copies of a loop, not always the true one: all copies have nearly as many, and the
first that are sure end the search. So when a clip lies on several places of a recording, all of its peaks are laid on
all of the recording's.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sonicgen.match.pairing import CLOSE_PITCH, NEAR_FRAMES
from sonicgen.match.reference import ReferencePeaks
from sonicgen.match.verify import Alignment, lay
from sonicgen.sound.peaks import Peaks
from sonicgen.sound.spectrum import FRAMES_PER_SECOND

MOST_COPIES = 24
# A place on which fewer peaks lie than this share of the best is a likeness inside the music, not a copy.
COPY_SHARE = 0.6
# Peaks within half an hour on either side are read: 0.25 MB an hour, and a loop of hours is the same loop.
REACH_FRAMES = round(1_800 * FRAMES_PER_SECOND)


@njit(cache=True, nogil=True)
def _count(
    times: NDArray[np.float64],
    pitches: NDArray[np.float64],
    ref_frames: NDArray[np.int32],
    ref_pitches: NDArray[np.float32],
) -> NDArray[np.int32]:
    """Return how many pairs of equal pitch lie at each distance (frames), from the smallest possible one on."""
    first = int(np.floor(ref_frames[0] - times[-1]))
    counts = np.zeros(int(np.ceil(ref_frames[-1] - times[0])) - first + 2, np.int32)
    for i in range(len(times)):
        for j in range(len(ref_frames)):
            if abs(ref_pitches[j] - pitches[i]) <= CLOSE_PITCH:
                counts[round(ref_frames[j] - times[i]) - first] += 1
    return counts


def best_copy(query: Peaks, reference: ReferencePeaks, known: Alignment) -> Alignment | None:
    """Return where a query fits best on a recording on which it lies at a known place, played as it is there.

    The query's frames are those of `known`. The chance of what is returned is not known.
    """
    laid = [lay(query, reference, replace(known, offset=place)) for place in _find_places(query, reference, known)]
    return max((one for one in laid if one is not None), key=lambda one: one.fit, default=None)


def _find_places(query: Peaks, reference: ReferencePeaks, known: Alignment) -> list[float]:
    """Return the offsets (frames) at which most peaks lie on a recording's, the most first."""
    x = query.frames.astype(np.float64)
    middle = round(known.at((x[0] + x[-1]) / 2))
    ref = reference.between(middle - REACH_FRAMES, middle + REACH_FRAMES)
    if not len(ref):
        return []
    times = known.tempo * x
    counts = _count(times, (query.pitches - known.pitch_shift).astype(np.float64), ref.frames, ref.pitches)
    around = np.convolve(counts, np.ones(3, np.int32), "same")
    first = int(np.floor(ref.frames[0] - times[-1]))
    beside = round(4 * NEAR_FRAMES)
    places: list[float] = []
    fewest = COPY_SHARE * around.max()
    while len(places) < MOST_COPIES and around[top := int(np.argmax(around))] >= fewest:
        places.append(float(top + first))
        around[max(0, top - beside) : top + beside + 1] = 0
    return places
