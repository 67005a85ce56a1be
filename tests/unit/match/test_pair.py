"""Two recordings laid side by side: each second where it belongs, whichever is asked about."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import resample_poly

from sonicgen.domain.match import Decision, Match
from sonicgen.local.demo_sounds import RATE_HZ, Sound, make_music
from sonicgen.match.chain import best_chain
from sonicgen.match.pair import Track, settle_pair, turned
from sonicgen.sound.fingerprint import Fingerprinter
from sonicgen.sound.spectrum import SAMPLE_RATE_HZ

SECONDS = 40.0


def suspect(start: float, end: float, there: float, speed: float = 1.0) -> Match:
    return Match(7, start, end, there, there + (end - start) * speed, speed, speed, 50, 0.999, -5, Decision.MATCH)


def track(sound: Sound) -> Track:
    maker = Fingerprinter()
    maker.feed(np.asarray(resample_poly(sound, 1, RATE_HZ // SAMPLE_RATE_HZ), np.float32))
    made = maker.finish()
    return Track(made.peaks, made.seconds)


@pytest.fixture(scope="module")
def whole() -> Sound:
    return make_music(41, seconds=SECONDS, beats_per_minute=110, metre=4)


def cut(sound: Sound, start: float, end: float) -> Sound:
    return sound[round(start * RATE_HZ) : round(end * RATE_HZ)]


def places(matches: list[Match]) -> list[tuple[float, ...]]:
    return [
        (m.query_start_seconds, m.query_end_seconds, m.reference_start_seconds, m.reference_end_seconds)
        for m in matches
    ]


def test_an_inserted_advert_is_cut_out_from_either_side(whole: Sound) -> None:
    advert = make_music(42, seconds=3, beats_per_minute=150, metre=3)
    edition = track(np.concatenate([cut(whole, 0, 17), advert, cut(whole, 17, SECONDS)]))
    source = track(whole)
    # One side of the advert is suspected only, by a line that goes on into the advert.
    settled = settle_pair(edition, source, [suspect(0, 19, 0)], 1e-3)
    assert places(settled) == [
        pytest.approx((0, 17, 0, 17), abs=0.3),
        pytest.approx((20, 43, 17, 40), abs=0.3),
    ]
    assert {match.recording for match in settled} == {7}
    back = settle_pair(source, edition, [turned(suspect(0, 19, 0))], 1e-3)
    assert places([turned(match) for match in back]) == [pytest.approx(place) for place in places(settled)]


def test_a_likeness_gives_way_to_the_true_place() -> None:
    bar = make_music(43, seconds=2.5, beats_per_minute=96, metre=4)
    voice = make_music(44, seconds=25, beats_per_minute=133, metre=3)
    loop = np.concatenate([bar] * 10) + 0.5 * voice[: len(bar) * 10]
    source, excerpt = track(loop), track(cut(loop, 7.5, 20))
    [found] = settle_pair(excerpt, source, [suspect(0, 12.5, 5.0)], 1e-3)
    assert places([found]) == [pytest.approx((0, 12.5, 7.5, 20), abs=0.3)]


def test_what_is_put_in_another_order_is_found_in_it(whole: Sound) -> None:
    turned_over = track(np.concatenate([cut(whole, 22, 37), cut(whole, 2, 17)]))
    settled = settle_pair(turned_over, track(whole), [suspect(0, 15, 22)], 1e-3)
    assert places(settled) == [
        pytest.approx((0, 15, 22, 37), abs=0.4),
        pytest.approx((15, 30, 2, 17), abs=0.4),
    ]


def test_a_suspicion_that_nothing_bears_out_is_dropped(whole: Sound) -> None:
    other = track(make_music(45, seconds=SECONDS, beats_per_minute=87, metre=3))
    assert settle_pair(other, track(whole), [suspect(0, 30, 5)], 1e-3) == []
    assert settle_pair(other, track(whole), [], 1e-3) == []


def test_a_near_edge_is_reached_and_a_far_one_is_not(whole: Sound) -> None:
    noise = 0.2 * np.random.default_rng(3).standard_normal(4 * RATE_HZ).astype(np.float32)
    near = np.concatenate([noise[: round(0.7 * RATE_HZ)], cut(whole, 0.7, SECONDS)])
    far = np.concatenate([noise[: 3 * RATE_HZ], cut(whole, 3, SECONDS)])
    [found] = settle_pair(track(near), track(whole), [suspect(5, 30, 5)], 1e-3)
    assert places([found]) == [pytest.approx((0, SECONDS, 0, SECONDS), abs=0.05)]
    [found] = settle_pair(track(far), track(whole), [suspect(5, 30, 5)], 1e-3)
    assert places([found]) == [pytest.approx((3, SECONDS, 3, SECONDS), abs=0.3)]


@pytest.mark.parametrize("seconds", [0.7, 1.5])
def test_an_edge_is_reached_through_sound_that_aligns_a_little(whole: Sound, seconds: float) -> None:
    """A noisy beginning, in which a peak in three is left, is not where the copy begins."""
    faint = cut(whole, 0, seconds)
    noise = 0.6 * float(np.std(faint)) * np.random.default_rng(3).standard_normal(len(faint)).astype(np.float32)
    noisy = track(np.concatenate([faint + noise, cut(whole, seconds, SECONDS)]))
    [found] = settle_pair(noisy, track(whole), [suspect(5, 30, 5)], 1e-3)
    assert places([found]) == [pytest.approx((0, SECONDS, 0, SECONDS), abs=0.05)]


def test_other_sound_before_the_beginning_is_not_reached_into(whole: Sound) -> None:
    intro = make_music(45, seconds=1.5, beats_per_minute=150, metre=3)
    edition = track(np.concatenate([intro, cut(whole, 2, SECONDS)]))
    [found] = settle_pair(edition, track(whole), [suspect(5, 30, 5.5)], 1e-3)
    assert places([found]) == [pytest.approx((1.5, SECONDS - 0.5, 2, SECONDS), abs=0.3)]


def test_silence_at_the_ends_belongs_to_what_is_beside_it(whole: Sound) -> None:
    silence = np.zeros(2 * RATE_HZ, np.float32)
    padded = np.concatenate([silence, cut(whole, 0, 20), silence])
    [found] = settle_pair(track(padded), track(padded), [suspect(3, 21, 3)], 1e-3)
    assert places([found]) == [pytest.approx((0, 24, 0, 24), abs=0.05)]


def test_a_chain_never_goes_back_and_changes_only_for_a_gain() -> None:
    counts = np.array([[9.0] * 6 + [1.0] * 6, [1.0] * 6 + [9.0] * 6, [1.0] * 6 + [9.5] * 6])
    forward, back = np.arange(12) * 11.0, np.arange(12) * 11.0 - 100.0
    owners = best_chain(counts, np.stack([forward, forward + 20, back]))
    assert owners.tolist() == [0] * 6 + [1] * 6, "the third lies before what was there already"
    better = counts.copy()
    better[1, 3] = 12.0
    assert best_chain(better, np.stack([forward, forward + 20, back])).tolist() == [0] * 6 + [1] * 6


def test_who_is_asked_about_makes_no_difference_of_equals(whole: Sound) -> None:
    noise = 0.01 * np.random.default_rng(1).standard_normal(len(whole)).astype(np.float32)
    one, other = track(whole), track(0.5 * whole + noise)
    assert one.precedes(other) != other.precedes(one)
    assert replace(one, seconds=9.0).precedes(other)
