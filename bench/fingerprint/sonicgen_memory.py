"""Adapter for the fingerprint harness: SonicGen on an index in memory.

Run with the harness's own run.py, this folder and its adapters on PYTHONPATH (see docs/fingerprint.md).
"""

from __future__ import annotations

from base import Hit  # type: ignore[import-not-found]  # the harness's

from sonicgen.domain.match import Decision
from sonicgen.match.memory_index import MemoryIndex
from sonicgen.match.search import find_matches, warm_up
from sonicgen.sound.fingerprint import fingerprint


class Adapter:
    """What the harness calls."""

    def __init__(self) -> None:
        warm_up()
        self._index = MemoryIndex()
        self._names: list[str] = []
        self.info: dict[str, float] = {}

    def index(self, paths: dict[str, str]) -> None:
        """Fingerprint and index the files."""
        peaks = 0
        for name, path in paths.items():
            made = fingerprint(path)
            self._index.add(len(self._names), made)
            self._names.append(name)
            peaks += len(made.peaks)
        seconds = self._index.indexed_seconds()
        self.info = {"hashes_per_s": self._index.posting_count() / seconds, "peaks_per_s": peaks / seconds}

    def query(self, path: str) -> list[Hit]:
        """Return the hits, best first; the offset is the item's time at query time 0."""
        return [
            Hit(
                self._names[match.recording],
                match.reference_start_seconds - match.speed * match.query_start_seconds,
                -match.log10_chance,
                match.decision is Decision.MATCH,
            )
            for match in find_matches(fingerprint(path), self._index)
        ]

    def index_bytes(self) -> int:
        """Return the size of postings (key difference and place, about five bytes each) and packed peaks."""
        return 5 * self._index.posting_count() + self._index.packed_bytes()
