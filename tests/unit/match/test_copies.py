"""Loops: of the places on which a clip lies, the one that it was cut from."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import resample_poly

from sonicgen.domain.match import Decision
from sonicgen.local.demo_sounds import RATE_HZ, Sound, make_music
from sonicgen.match.copies import best_copy
from sonicgen.match.memory_index import MemoryIndex
from sonicgen.match.reference import ReferencePeaks
from sonicgen.match.search import find_matches
from sonicgen.match.verify import Alignment
from sonicgen.sound.fingerprint import Fingerprint, Fingerprinter
from sonicgen.sound.peaks import Peaks
from sonicgen.sound.spectrum import FRAMES_PER_SECOND, SAMPLE_RATE_HZ

BAR_SECONDS = 2.5
BARS = 32


def analyse(sound: Sound) -> Fingerprint:
    maker = Fingerprinter()
    maker.feed(np.asarray(resample_poly(sound, 1, RATE_HZ // SAMPLE_RATE_HZ), np.float32))
    return maker.finish()


@pytest.fixture(scope="module")
def loop() -> Sound:
    """A bar again and again, over it something softer that does not repeat."""
    bar = make_music(51, seconds=BAR_SECONDS, beats_per_minute=96, metre=4)
    voice = make_music(52, seconds=BAR_SECONDS * BARS + 1, beats_per_minute=133, metre=3)
    played: Sound = np.concatenate([bar] * BARS)
    played += 0.15 * voice[: len(played)]
    return played


def clip_of(loop: Sound, start_seconds: float, noise: float) -> Fingerprint:
    start = round(start_seconds * RATE_HZ)
    sound = loop[start : start + 5 * RATE_HZ]
    loud = float(np.std(sound))
    return analyse(sound + noise * loud * np.random.default_rng(4).standard_normal(len(sound)).astype(np.float32))


@pytest.fixture(scope="module")
def index(loop: Sound) -> MemoryIndex:
    made = MemoryIndex()
    made.add(3, analyse(loop))
    return made


@pytest.mark.parametrize("bar", [1, 12, 27])
@pytest.mark.parametrize("noise", [0.0, 0.4])
def test_the_true_copy_is_found_from_any_other(loop: Sound, index: MemoryIndex, bar: int, noise: float) -> None:
    clip = clip_of(loop, bar * BAR_SECONDS, noise).peaks
    for other in (2, 19):
        known = Alignment(3, 1.0, other * BAR_SECONDS * FRAMES_PER_SECOND, 0.0)
        best = best_copy(clip, ReferencePeaks(index, 3), known)
        assert best is not None
        assert best.offset / FRAMES_PER_SECOND == pytest.approx(bar * BAR_SECONDS, abs=0.1)


@pytest.mark.parametrize("bar", range(0, BARS - 2, 3))
def test_a_search_names_the_true_copy_first(loop: Sound, index: MemoryIndex, bar: int) -> None:
    best = find_matches(clip_of(loop, bar * BAR_SECONDS, 0.4), index)[0]
    assert best.decision is Decision.MATCH
    assert best.reference_start_seconds - best.query_start_seconds == pytest.approx(bar * BAR_SECONDS, abs=0.1)


def test_of_a_recording_without_peaks_there_is_no_copy(loop: Sound) -> None:
    empty = MemoryIndex()
    nothing = Peaks(np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.float32))
    empty.add(3, Fingerprint(nothing, 40.0))
    assert best_copy(clip_of(loop, 0, 0).peaks, ReferencePeaks(empty, 3), Alignment(3, 1.0, 0.0, 0.0)) is None
