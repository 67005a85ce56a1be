"""How much is asked for: which windows of a query, in which way, with how many keys."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from sonicgen.sound.spectrum import FRAMES_PER_SECOND

WHOLE_SECONDS = 30.0  # up to this a query is first asked for as a whole
WINDOW_SECONDS = 12.0  # long enough for a damaged window to be found, short enough to find a clip of a few seconds
HOP_SECONDS = 6.0
SHORTEST_SECONDS = 2.0  # a remainder shorter than this is not asked for by itself

# Keys that one window may ask for: quickly, densely, under each warp of the grid, and under each of the few warps that
# then look best. A longer window has more peaks and needs fewer keys of each (docs/fingerprint.md has the figures).
QUICK_KEYS = 3_000
# The quick way asks in tiers, each this share of its keys, and stops at the first that gives something sure: most clips
# are found with the first. What was asked for in one tier is not asked for again in the next.
TIERS: tuple[float, ...] = (0.1, 0.25, 0.5, 0.75, 1.0)
DENSE_KEYS = 8_000
# A clip of a few seconds under babble has a landmark or two left: twice as many keys bring its place up. Of 4,546 clips
# six more were found by 20,000 for all, of them four up to this length; 10 s that are nowhere would cost twice as much.
SHORT_SECONDS, SHORT_DENSE_KEYS = 6.0, 18_000
SWEEP_KEYS = 700
# What is only sped up or shifted shows with fewer, which are asked for before the dense way and are among those of the
# sweep: of clips of 10 s that are found, the 95 % quantile falls from 14,400 keys to 4,100 (with 200 to 5,500, with 400
# to 8,000).
GLANCE_KEYS = 100
FOCUS_KEYS = 3_000
FOCUSED_WARPS = 3

# In a long query not every window is asked for in every way: a copy that is sped up is so throughout, and one window
# in which it shows is enough, the rest follows by tracing it. A query of any length has about as many of them, evenly
# spaced: what a long recording costs beyond them is the quick way alone.
DENSE_EVERY, MOST_DENSE = 2, 40
WARPED_EVERY, MOST_WARPED = 4, 12
WINDOWS_AHEAD = 8


class Effort(IntEnum):
    """How hard a window is searched: quickly, densely too, under all warps too."""

    QUICK = 1
    DENSE = 2
    WARPED = 3


@dataclass(frozen=True, slots=True)
class Window:
    """The query peaks first <= i < last, how hard to search them, and the windows that come next if it is in vain."""

    first: int
    last: int
    effort: Effort
    ahead: tuple[Window, ...] = ()


def dense_keys(frames: int) -> int:
    """Return how many keys a window so long may ask for densely."""
    return SHORT_DENSE_KEYS if frames <= SHORT_SECONDS * FRAMES_PER_SECOND else DENSE_KEYS


def window_places(start: int, end: int) -> list[tuple[int, int]]:
    """Return the next windows (first frame, last frame, exclusive) of a stretch that is to be searched."""
    hop, length = round(HOP_SECONDS * FRAMES_PER_SECOND), round(WINDOW_SECONDS * FRAMES_PER_SECOND)
    places = [(start, min(end, start + length))]
    while places[-1][1] < end and len(places) <= WINDOWS_AHEAD:
        start += hop
        places.append((start, min(end, start + length)))
    return places


def efforts(seconds: float) -> Callable[[int], Effort]:
    """Return how hard each window (by its number) of a query of this length is searched."""
    windows = seconds / HOP_SECONDS
    dense_every = max(DENSE_EVERY, math.ceil(windows / MOST_DENSE))
    warped_every = max(WARPED_EVERY, math.ceil(windows / MOST_WARPED))

    def effort(number: int) -> Effort:
        if number % warped_every == 0:
            return Effort.WARPED
        return Effort.DENSE if number % dense_every == 0 else Effort.QUICK

    return effort
