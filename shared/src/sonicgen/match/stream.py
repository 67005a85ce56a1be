"""A clip that is still being heard: asked for after 3, 5, 8 and 10 seconds, until something is sure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonicgen.domain.match import Decision, Match
from sonicgen.match import chance
from sonicgen.match.index import Index
from sonicgen.match.search import find_matches
from sonicgen.sound.fingerprint import Fingerprint, Fingerprinter
from sonicgen.sound.spectrum import SAMPLE_RATE_HZ

LOOKS_SECONDS = (3.0, 5.0, 8.0, 10.0)


@dataclass(frozen=True, slots=True)
class Look:
    """What is known after so many seconds of a stream."""

    seconds: float
    matches: list[Match]

    @property
    def is_sure(self) -> bool:
        """Whether listening on is not needed."""
        return any(match.decision is Decision.MATCH for match in self.matches)


def find_in_stream(
    blocks: Iterable[NDArray[np.float32]],
    index: Index,
    *,
    false_positive_rate: float = chance.DEFAULT_FALSE_POSITIVE_RATE,
) -> Iterator[Look]:
    """Yield what is found after 3, 5, 8 and 10 s of mono samples at 11,025 Hz; the first sure look is the last.

    A stream that ends earlier is looked at where it ends. Every look may err, so each gets its share of the rate: all
    of them together are wrong in at most `false_positive_rate` of all streams.
    """

    def search(made: Fingerprint, rate: float) -> list[Match]:
        return find_matches(made, index, false_positive_rate=rate)

    return look_in_stream(blocks, search, false_positive_rate=false_positive_rate)


def look_in_stream(
    blocks: Iterable[NDArray[np.float32]],
    search: Callable[[Fingerprint, float], list[Match]],
    *,
    false_positive_rate: float = chance.DEFAULT_FALSE_POSITIVE_RATE,
    versions: Collection[int] = (),
) -> Iterator[Look]:
    """Do what `find_in_stream` does, with a search that is told each look's share of the rate.

    `versions` are those that a look's fingerprint has beside the current one.
    """
    rate = false_positive_rate / len(LOOKS_SECONDS)
    heard = np.empty(0, np.float32)
    due = [round(seconds * SAMPLE_RATE_HZ) for seconds in LOOKS_SECONDS]
    for block in blocks:
        heard = np.concatenate((heard, block))
        while due and len(heard) >= due[0]:
            look = _look(heard[: due.pop(0)], search, rate, versions)
            yield look
            if look.is_sure:
                return
        if not due:
            return
    if len(heard):
        yield _look(heard, search, rate, versions)


def _look(
    samples: NDArray[np.float32],
    search: Callable[[Fingerprint, float], list[Match]],
    rate: float,
    versions: Collection[int],
) -> Look:
    maker = Fingerprinter(versions)
    maker.feed(samples)
    made = maker.finish()
    return Look(made.seconds, search(made, rate))
