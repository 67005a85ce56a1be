"""An index in memory: for tests, benchmarks and small collections."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sonicgen.match.index import Postings, Stretch
from sonicgen.sound.fingerprint import Fingerprint
from sonicgen.sound.landmarks import index_landmarks
from sonicgen.sound.packing import SEGMENT_FRAMES as PACKED_FRAMES
from sonicgen.sound.packing import pack_peaks, split_segments, unpack_peaks
from sonicgen.sound.peaks import Peaks, join_peaks

# A key with more postings than this says nothing of where it was heard; in 10 h the most frequent key had 700.
MOST_POSTINGS = 2000


class MemoryIndex:
    """Postings and packed peaks of recordings; implements `sonicgen.match.index.Index`."""

    def __init__(self, most_postings: int = MOST_POSTINGS) -> None:
        self._most_postings = most_postings
        self._seconds = 0.0
        self._segments: dict[tuple[int, int], bytes] = {}
        self._added: list[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]] = []
        empty = np.empty(0, np.int32)
        self._keys, self._recordings, self._frames = empty, empty, empty

    def add(self, recording: int, fingerprint: Fingerprint) -> None:
        """Add a recording under a number that is not in use."""
        keys, frames = index_landmarks(fingerprint.peaks)
        self._added.append((keys, np.full(len(keys), recording, np.int32), frames))
        for segment, peaks in split_segments(fingerprint.peaks):
            self._segments[recording, segment] = pack_peaks(peaks, segment * PACKED_FRAMES)
        self._seconds += fingerprint.seconds

    def postings(self, keys: NDArray[np.int32]) -> Postings:
        """Return the postings of keys, which ascend without repetition; none of a key with too many."""
        self._merge()
        first = np.searchsorted(self._keys, keys, "left")
        counts = np.zeros(len(keys), np.int64)
        hit = np.nonzero(first < len(self._keys))[0]
        hit = hit[self._keys[first[hit]] == keys[hit]]
        counts[hit] = np.searchsorted(self._keys, keys[hit], "right") - first[hit]
        counts[counts > self._most_postings] = 0
        before = np.cumsum(counts) - counts
        places = np.repeat(first - before, counts) + np.arange(counts.sum())
        return Postings(counts, self._recordings[places].astype(np.int64), self._frames[places])

    def peaks(self, stretches: Sequence[Stretch]) -> list[Peaks]:
        """Return the peaks in each stretch, empty where there are none."""
        return [self._peaks(stretch) for stretch in stretches]

    def _peaks(self, stretch: Stretch) -> Peaks:
        first, last = max(0, stretch.first_frame), max(0, stretch.last_frame)
        parts = []
        for segment in range(first // PACKED_FRAMES, last // PACKED_FRAMES + 1):
            data = self._segments.get((stretch.recording, segment))
            if data is not None:
                parts.append(unpack_peaks(data, segment * PACKED_FRAMES))
        return join_peaks(parts).between(stretch.first_frame, stretch.last_frame)

    def indexed_seconds(self) -> float:
        """Return how many seconds of sound the index holds."""
        return self._seconds

    def posting_count(self) -> int:
        """Return how many landmarks the index holds."""
        self._merge()
        return len(self._keys)

    def packed_bytes(self) -> int:
        """Return the size of the packed peaks."""
        return sum(map(len, self._segments.values()))

    def _merge(self) -> None:
        if not self._added:
            return
        parts = [(self._keys, self._recordings, self._frames), *self._added]
        keys, recordings, frames = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.lexsort((frames, recordings, keys))
        keys, recordings, frames = keys[order], recordings[order], frames[order]
        again = (np.diff(keys) == 0) & (np.diff(recordings) == 0) & (np.diff(frames) == 0)
        once = np.concatenate(([True], ~again))
        self._keys, self._recordings, self._frames = keys[once], recordings[once], frames[once]
        self._added = []
