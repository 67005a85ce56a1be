"""Sound to fingerprint: what is kept of a recording and what a clip is compared by."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from sonicgen.domain.quality import Quality
from sonicgen.sound.decode import Decoder
from sonicgen.sound.landmarks import index_landmarks, query_landmarks
from sonicgen.sound.packing import pack_peaks, unpack_peaks
from sonicgen.sound.peaks import PeakFinder, Peaks
from sonicgen.sound.spectrum import SAMPLE_RATE_HZ, WhitenedSpectrum
from sonicgen.sound.versions import algorithms, current_version

# The version that recordings are stored with (sonicgen.sound.versions says how it is changed).
VERSION = current_version()

# Fewer peaks than this cannot be told from chance even in a small index: a real match of a damaged clip aligns about
# half its peaks, and about 12 aligned ones are needed against 100 hours. Speech and music have 20 to 31 a second, so
# this is about one second of continuous sound.
MINIMUM_PEAKS = 24
# Less than this is silence or a steady tone: no landmark can be made of fewer than three peaks.
SILENT_PEAKS = 3
# The shortest clip that is worth asking for.
MINIMUM_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """All peaks of a recording, with its length; `truncated` when the file was damaged or ended early.

    `quality` is None for what came as samples, or holds no sound. `older`: the same sound in other versions, for an
    index that holds them still.
    """

    peaks: Peaks
    seconds: float
    version: int = VERSION
    truncated: bool = False
    quality: Quality | None = None
    older: tuple[Fingerprint, ...] = ()

    @property
    def by_version(self) -> Mapping[int, Fingerprint]:
        """Every version there is of it."""
        return {one.version: one for one in (self, *self.older)}


def is_silent(fingerprint: Fingerprint) -> bool:
    """Return whether there is nothing but silence, hum or a steady tone."""
    return len(fingerprint.peaks) < SILENT_PEAKS


def has_enough_sound(fingerprint: Fingerprint) -> bool:
    """Return whether there is enough to be recognised by; a clip of three seconds normally is."""
    return len(fingerprint.peaks) >= MINIMUM_PEAKS and fingerprint.seconds >= MINIMUM_SECONDS


class Fingerprinter:
    """Makes a fingerprint of mono float32 samples at 11,025 Hz that come in blocks of any size.

    The result is the same, bit for bit, whatever the sizes of the blocks; memory beyond the peaks (about 1.2 MB an
    hour) is bounded. `versions`: which ones are wanted beside the current; those that nobody knows any more are left
    out.
    """

    def __init__(self, versions: Collection[int] = ()) -> None:
        self._spectrum = WhitenedSpectrum()
        self._finders = {one.version: PeakFinder(one.peaks_kept) for one in algorithms(versions)}

    @property
    def seconds(self) -> float:
        """How much has been fed."""
        return self._spectrum.samples / SAMPLE_RATE_HZ

    def feed(self, block: NDArray[np.float32]) -> None:
        """Take the next samples."""
        for rows in self._spectrum.feed(block):
            self._feed(rows)

    def finish(self, *, truncated: bool = False, quality: Quality | None = None) -> Fingerprint:
        """Return the fingerprint of all that was fed; nothing may be fed afterwards."""
        for rows in self._spectrum.finish():
            self._feed(rows)
        made = [
            Fingerprint(finder.finish(), self.seconds, version, truncated, quality)
            for version, finder in self._finders.items()
        ]
        return replace(made[0], older=tuple(made[1:]))

    def _feed(self, rows: NDArray[np.float32]) -> None:
        for finder in self._finders.values():
            finder.feed(rows)


def fingerprint(
    source: str | Path | BinaryIO,
    on_progress: Callable[[float], None] | None = None,
    versions: Collection[int] = (),
) -> Fingerprint:
    """Return the fingerprint of a file's first audio stream.

    `source` is a path or a seekable binary file; `on_progress` is called with the seconds done, about every minute of
    sound; `versions` as for `Fingerprinter`. Raises MediaError when there is no audio in it; errors of the file object
    itself come through.
    """
    maker = Fingerprinter(versions)
    reported = 0.0
    decoder = Decoder(source)
    for block in decoder:
        maker.feed(block)
        if on_progress is not None and maker.seconds >= reported + 60.0:
            reported = maker.seconds
            on_progress(reported)
    return maker.finish(truncated=decoder.truncated, quality=decoder.quality)


def warm_up() -> None:
    """Load (the first time: compile) everything that runs per sample, so that the first recording does not wait."""
    maker = Fingerprinter()
    maker.feed(np.random.default_rng(0).standard_normal(2 * SAMPLE_RATE_HZ).astype(np.float32))
    peaks = maker.finish().peaks
    index_landmarks(peaks)
    query_landmarks(peaks, 4, 2, 1.01, 1.01)
    unpack_peaks(pack_peaks(peaks, 0), 0)
