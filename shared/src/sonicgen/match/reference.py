"""A recording's peaks as matching reads them: in large stretches, each fetched once."""

from __future__ import annotations

from collections.abc import Sequence

from sonicgen.match.index import Index, Stretch
from sonicgen.sound.peaks import Peaks, no_peaks

FIRST_FETCH_FRAMES = 1024  # 24 s each side of the first stretch that is read beyond what was fetched in advance
LARGEST_FETCH_FRAMES = 32_768  # 13 minutes: a 10 h duplicate takes some 50 fetches


class ReferencePeaks:
    """Reads a recording's peaks from an index; what lies far from the stretches it holds is fetched, more each time."""

    def __init__(self, index: Index, recording: int) -> None:
        self._index = index
        self._recording = recording
        self._margin = FIRST_FETCH_FRAMES
        self._held: list[tuple[Stretch, Peaks]] = []

    def between(self, first_frame: int, last_frame: int) -> Peaks:
        """Return the peaks with first_frame <= frame <= last_frame; empty outside of the recording."""
        wanted = self.stretch(first_frame, last_frame)
        if wanted.last_frame < wanted.first_frame:
            return no_peaks()
        peaks = self._find(wanted)
        if peaks is None:
            wider = self.stretch(wanted.first_frame - self._margin, wanted.last_frame + self._margin)
            (peaks,) = self._index.peaks([wider])
            self.hold(wider, peaks)
            self._margin = min(2 * self._margin, LARGEST_FETCH_FRAMES)
        low, high = peaks.frames.searchsorted([wanted.first_frame, wanted.last_frame + 1])
        return Peaks(peaks.frames[low:high], peaks.pitches[low:high], peaks.strengths[:0])

    def stretch(self, first_frame: int, last_frame: int) -> Stretch:
        """Return a stretch of this recording, which begins at frame 0."""
        return Stretch(self._recording, max(0, first_frame), last_frame)

    def holds(self, stretch: Stretch) -> bool:
        """Whether a stretch can be read without fetching."""
        return stretch.last_frame < stretch.first_frame or self._find(stretch) is not None

    def hold(self, stretch: Stretch, peaks: Peaks) -> None:
        """Keep what was fetched."""
        self._held.append((stretch, peaks))

    def _find(self, wanted: Stretch) -> Peaks | None:
        for held, peaks in reversed(self._held):
            if held.first_frame <= wanted.first_frame and wanted.last_frame <= held.last_frame:
                return peaks
        return None


def fetch_in_advance(index: Index, wanted: Sequence[tuple[ReferencePeaks, Stretch]]) -> None:
    """Fetch, in one call, those stretches that are not held yet."""
    missing = [(reference, stretch) for reference, stretch in wanted if not reference.holds(stretch)]
    if missing:
        fetched = index.peaks([stretch for _, stretch in missing])
        for (reference, stretch), peaks in zip(missing, fetched, strict=True):
            reference.hold(stretch, peaks)
