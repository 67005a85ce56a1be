"""The index in Postgres as matching sees it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sonicgen.match.blocks import arrange, find_in_blocks
from sonicgen.match.index import Postings, Stretch
from sonicgen.sound.packing import SEGMENT_FRAMES, pack_peaks, split_segments, unpack_peaks
from sonicgen.sound.peaks import Peaks, join_peaks
from sonicgen.store import postings
from sonicgen.store.database import Database

# A key with more postings than this says nothing about where a clip is from and is left out whole. 2,000 was the cap of
# the measured prototype (10 h of music and speech).
MAXIMUM_POSTINGS_PER_KEY = 2_000
# So many keys are asked for in two halves at once, each by its own connection: the server has a process for each, and
# at 5,000 hours it works on these for 100 ms and more.
PARALLEL_KEYS = 1_500


@lru_cache(maxsize=1)
def _helpers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(4, "postings")


def packed_segments(peaks: Peaks) -> Iterator[tuple[int, int, bytes]]:
    """Yield a recording's peaks as the store keeps them: segment number, its first frame, packed peaks."""
    for segment, part in split_segments(peaks):
        first_frame = segment * SEGMENT_FRAMES
        yield segment, first_frame, pack_peaks(part, first_frame)


class PostgresIndex:
    """Implements sonicgen.match.index.Index; `after` limits it to recordings stored after that number.

    With `version` it is the part of a mixed index that has fingerprints of that version; a key that is too common in
    the whole is too common in each part.
    """

    def __init__(
        self,
        database: Database,
        after: int | None = None,
        most_postings: int = MAXIMUM_POSTINGS_PER_KEY,
        version: int | None = None,
        seconds: float | None = None,
    ) -> None:
        self._database = database
        self._after = after
        self._most_postings = most_postings
        self._version = version
        self._seconds = seconds
        # A number is one fingerprint's for ever, so what was asked once stays true.
        self._asked, self._own = np.empty(0, np.int64), np.empty(0, np.int64)

    def postings(self, keys: NDArray[np.int32]) -> Postings:
        """Return the postings of keys, which ascend without repetition; none of a key with too many."""
        found = self._all_postings(keys)
        return found if self._version is None else self._of_version(found, self._version)

    def _of_version(self, found: Postings, version: int) -> Postings:
        fresh = np.setdiff1d(found.recordings, self._asked)
        if len(fresh):
            self._asked = np.union1d(self._asked, fresh)
            self._own = np.union1d(self._own, postings.of_version(self._database, fresh, version))
        kept = np.isin(found.recordings, self._own)
        which = np.repeat(np.arange(len(found.counts)), found.counts)[kept]
        counts = np.bincount(which, minlength=len(found.counts)).astype(np.int64)
        return Postings(counts, found.recordings[kept], found.frames[kept])

    def _all_postings(self, keys: NDArray[np.int32]) -> Postings:
        if len(keys) < PARALLEL_KEYS:
            return arrange(len(keys), *self._read(keys), self._most_postings)
        half = len(keys) // 2
        second = _helpers().submit(self._read, keys[half:])
        parts = self._read(keys[:half]), second.result()
        which, numbers, frames = (np.concatenate(column) for column in zip(*parts, strict=True))
        which[len(parts[0][0]) :] += half
        return arrange(len(keys), which, numbers, frames, self._most_postings)

    def _read(self, keys: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return (index of the key, number, frame) of each posting, those of a key in order."""
        found = postings.postings_of(self._database, keys, max_postings=self._most_postings, after_number=self._after)
        blocks = found.blocks
        which, numbers, frames = find_in_blocks(
            keys, blocks.data, blocks.ends, blocks.blocks, blocks.bits, blocks.first_numbers
        )
        gone = np.isin(numbers, found.forgotten)
        if self._after is not None:
            gone |= numbers <= self._after
        kept = ~(gone | np.isin(which, np.searchsorted(keys, found.noisy)))
        rows = np.searchsorted(keys, found.keys)
        kept_rows = ~np.isin(found.keys, found.noisy)
        locs = found.locs[kept_rows]
        return (
            np.concatenate((which[kept], rows[kept_rows])),
            np.concatenate((numbers[kept], locs >> postings.FRAME_BITS)),
            np.concatenate((frames[kept], locs & ((1 << postings.FRAME_BITS) - 1))),
        )

    def peaks(self, stretches: Sequence[Stretch]) -> list[Peaks]:
        """Return the peaks in each stretch, with one call for all of them."""
        wanted = [(stretch.recording, stretch.first_frame, stretch.last_frame) for stretch in stretches]
        return [
            join_peaks([unpack_peaks(data, start) for start, data in segments]).between(first_frame, last_frame)
            for (_, first_frame, last_frame), segments in zip(
                wanted, postings.peak_segments(self._database, wanted), strict=True
            )
        ]

    def indexed_seconds(self) -> float:
        """Return how many seconds of sound the index holds; asked once, unless it was given."""
        if self._seconds is None:
            self._seconds = postings.indexed_seconds(self._database)
        return self._seconds
