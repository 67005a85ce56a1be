"""An index that remembers what it was asked: the stages of one search ask for many keys again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sonicgen.match.index import Index, Postings, Stretch
from sonicgen.sound.peaks import Peaks

_Chunk = tuple[NDArray[np.int32], Postings]


class CachedIndex:
    """Passes on to another index only the keys that were not asked for before; until it is told to forget."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._chunks: list[_Chunk] = []
        self.asked = 0  # keys that were passed on

    def postings(self, keys: NDArray[np.int32]) -> Postings:
        """Return the postings of keys, which ascend without repetition."""
        held = [_rows_of(chunk, keys) for chunk in self._chunks]
        is_new = np.ones(len(keys), np.bool_)
        for mine, _ in held:
            is_new[mine] = False
        if is_new.all():
            self._add(keys)
            return self._chunks[-1][1]
        if is_new.any():
            self._add(keys[is_new])
            held.append((np.nonzero(is_new)[0], np.arange(int(is_new.sum()))))
        return self._gather(len(keys), held)

    def forget(self) -> None:
        """Remember nothing of what was asked until now."""
        self._chunks = []

    def peaks(self, stretches: Sequence[Stretch]) -> list[Peaks]:
        """Return the peaks in each stretch; they are not remembered here."""
        return self._index.peaks(stretches)

    def indexed_seconds(self) -> float:
        """Return how many seconds of sound the index holds."""
        return self._index.indexed_seconds()

    def _add(self, keys: NDArray[np.int32]) -> None:
        self._chunks.append((keys, self._index.postings(keys)))
        self.asked += len(keys)

    def _gather(self, keys: int, held: list[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> Postings:
        counts = np.zeros(keys, np.int64)
        for (_, found), (mine, rows) in zip(self._chunks, held, strict=True):
            counts[mine] = found.counts[rows]
        firsts = np.cumsum(counts) - counts
        recordings = np.empty(counts.sum(), np.int64)
        frames = np.empty(len(recordings), np.int32)
        for (_, found), (mine, rows) in zip(self._chunks, held, strict=True):
            sizes = counts[mine]
            steps = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            source = np.repeat((np.cumsum(found.counts) - found.counts)[rows], sizes) + steps
            target = np.repeat(firsts[mine], sizes) + steps
            recordings[target] = found.recordings[source]
            frames[target] = found.frames[source]
        return Postings(counts, recordings, frames)


def _rows_of(chunk: _Chunk, keys: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which of the keys a chunk holds, and where."""
    known = chunk[0]
    rows = np.searchsorted(known, keys)
    rows[rows == len(known)] = 0
    mine = np.nonzero(known[rows] == keys)[0] if len(known) else np.empty(0, np.int64)
    return mine, rows[mine]
