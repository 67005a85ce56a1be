from __future__ import annotations

import json

import numpy as np
import pytest

from sonicgen.domain.match import Decision, Match
from sonicgen.match.explain import BINS_EACH_SIDE, MOST_SECONDS, explain, hertz_of, seconds_of
from sonicgen.match.memory_index import MemoryIndex
from sonicgen.match.search import find_matches
from sonicgen.sound.peaks import no_peaks
from sonicgen.sound.spectrum import SAMPLE_RATE_HZ
from tests.unit.sound.signals import Samples, at_speed, fingerprint_of, music, noise

SONG = music(150.0, seed=410)


@pytest.fixture(scope="module")
def index() -> MemoryIndex:
    made = MemoryIndex()
    made.add(7, fingerprint_of(SONG))
    made.add(8, fingerprint_of(music(60.0, seed=411)))
    return made


def cut(start: float, end: float) -> Samples:
    return SONG[round(start * SAMPLE_RATE_HZ) : round(end * SAMPLE_RATE_HZ)]


def test_aligned_peaks_lie_on_the_line_of_the_match(index: MemoryIndex) -> None:
    clip = fingerprint_of(at_speed(cut(20, 40), 1.03))
    match = find_matches(clip, index)[0]
    made = explain(clip.peaks, index, match)
    q, r = made.query_pairs, made.reference_pairs
    assert len(set(q)) == len(q) == len(set(r)) == len(r)
    assert len(q) >= 0.9 * match.score
    heard, known = seconds_of(made.query.frames[q]), seconds_of(made.reference.frames[r])
    assert np.abs(known - (20.0 + 1.03 * heard)).max() < 0.1
    ratios = hertz_of(made.query.pitches[q]) / hertz_of(made.reference.pitches[r])
    assert np.median(ratios) == pytest.approx(1.03, abs=0.003)
    assert made.query_stretch == (match.query_start_seconds, match.query_end_seconds)
    assert made.reference_stretch == pytest.approx((20.0, 40.0), abs=0.3)


def test_the_offset_of_a_match_stands_out_and_a_wrong_one_does_not(index: MemoryIndex) -> None:
    clip = fingerprint_of(cut(50, 62))
    match = find_matches(clip, index)[0]
    histogram = explain(clip.peaks, index, match).histogram
    assert histogram.at_match == histogram.pairs[BINS_EACH_SIDE] > 5 * histogram.best_elsewhere
    assert histogram.offset_seconds[BINS_EACH_SIDE] == 0.0
    wrong = Match(8, 0.0, 12.0, 30.0, 42.0, 1.0, 1.0, 9.0, 0.1, 0.9, Decision.UNSURE)
    made = explain(clip.peaks, index, wrong)
    assert made.histogram.at_match < 3 * max(made.histogram.best_elsewhere, 1)
    assert len(made.query_pairs) < 0.3 * len(made.query)


def test_an_offset_beside_the_true_one_is_corrected(index: MemoryIndex) -> None:
    clip = fingerprint_of(cut(50, 62))
    beside = Match(7, 0.0, 12.0, 50.1, 62.1, 1.0, 1.0, 9.0, 1.0, -9.0, Decision.MATCH)
    made = explain(clip.peaks, index, beside)
    assert made.reference_stretch == pytest.approx((50.0, 62.0), abs=0.03)
    assert len(made.query_pairs) > 0.8 * len(made.query)


def test_a_repeat_shows_beside_the_match() -> None:
    bar = music(3.0, seed=412)
    loop = MemoryIndex()
    loop.add(0, fingerprint_of(np.concatenate([bar] * 6)))
    clip = fingerprint_of(np.concatenate([bar] * 2))
    histogram = explain(clip.peaks, loop, find_matches(clip, loop)[0]).histogram
    strong = histogram.offset_seconds[histogram.pairs > 0.4 * histogram.at_match]
    assert any(abs(abs(offset) - 3.0) < 0.1 for offset in strong)


def test_a_long_match_is_explained_by_its_first_minute(index: MemoryIndex) -> None:
    whole = fingerprint_of(np.concatenate([noise(5.0, seed=2), SONG]))
    match = max(find_matches(whole, index), key=lambda one: one.query_seconds)
    made = explain(whole.peaks, index, match)
    start, end = made.query_stretch
    assert end - start == MOST_SECONDS
    assert made.reference.frames[-1] - made.reference.frames[0] < 1.1 * MOST_SECONDS * 43.1
    assert len(made.query_pairs) > 0.8 * len(made.query)


def test_nothing_to_align(index: MemoryIndex) -> None:
    match = Match(7, 0.0, 5.0, 10.0, 15.0, 1.0, 1.0, 9.0, 0.5, 0.0, Decision.UNSURE)
    made = explain(no_peaks(), index, match)
    assert len(made.query_pairs) == made.histogram.at_match == 0
    forgotten = explain(fingerprint_of(cut(0, 5)).peaks, MemoryIndex(), match)
    assert len(forgotten.reference) == len(forgotten.query_pairs) == 0


def test_the_json_form_is_plain(index: MemoryIndex) -> None:
    clip = fingerprint_of(cut(30, 36))
    made = explain(clip.peaks, index, find_matches(clip, index)[0])
    form = json.loads(json.dumps(made.to_json()))
    assert form["aligned_peaks"] == len(made.query_pairs)
    assert {len(column) for column in form["pairs"].values()} == {len(made.query_pairs)}
    assert len(form["offsets"]["pairs"]) == len(form["offsets"]["offset_seconds"]) == 2 * BINS_EACH_SIDE + 1
    assert all(129 < hertz < 5_200 for hertz in form["pairs"]["query_hz"])


def test_pitches_and_frames_in_their_units() -> None:
    assert hertz_of(np.array([0.0, 48.0])) == pytest.approx([129.2, 258.4], abs=0.1)
    assert seconds_of(np.array([0, 43])) == pytest.approx([0.0, 0.998], abs=0.001)
