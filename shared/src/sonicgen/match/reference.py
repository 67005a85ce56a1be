"""A recording's peaks as matching reads them: in large stretches, each fetched once."""

from __future__ import annotations

from sonicgen.match.index import Index
from sonicgen.sound.peaks import Peaks, no_peaks

FIRST_FETCH_FRAMES = 1024  # 24 s each side: verification of one window needs no second fetch
LARGEST_FETCH_FRAMES = 32_768  # 13 minutes: a 10 h duplicate takes some 50 fetches


class ReferencePeaks:
    """Reads a recording's peaks from an index; a stretch far from the last is a new fetch, ever larger ones."""

    def __init__(self, index: Index, recording: int) -> None:
        self._index = index
        self._recording = recording
        self._margin = FIRST_FETCH_FRAMES
        self._first, self._last = 0, -1
        self._peaks = no_peaks()

    def between(self, first_frame: int, last_frame: int) -> Peaks:
        """Return the peaks with first_frame <= frame <= last_frame; empty outside of the recording."""
        first_frame = max(0, first_frame)
        if last_frame < first_frame:
            return no_peaks()
        if first_frame < self._first or last_frame > self._last:
            self._first = max(0, first_frame - self._margin)
            self._last = last_frame + self._margin
            self._peaks = self._index.peaks(self._recording, self._first, self._last)
            self._margin = min(2 * self._margin, LARGEST_FETCH_FRAMES)
        low, high = self._peaks.frames.searchsorted([first_frame, last_frame + 1])
        return Peaks(self._peaks.frames[low:high], self._peaks.pitches[low:high], self._peaks.strengths[:0])
