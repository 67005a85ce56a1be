from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray

from sonicgen.domain.match import Decision, Match
from sonicgen.match.index import Postings
from sonicgen.match.memory_index import MemoryIndex
from sonicgen.match.search import find_matches, warm_up
from sonicgen.origin.ranges import complement, total_seconds
from sonicgen.sound.decode import decode_blocks
from sonicgen.sound.fingerprint import Fingerprint, fingerprint
from sonicgen.sound.peaks import no_peaks
from sonicgen.sound.spectrum import SAMPLE_RATE_HZ
from tests.unit.sound.signals import Samples, at_speed, encoded, fingerprint_of, music, noise, shared_recordings

SONGS = [music(70.0, seed=100 + number) for number in range(8)]


def cut(song: int, start: float, end: float) -> Samples:
    return SONGS[song][round(start * SAMPLE_RATE_HZ) : round(end * SAMPLE_RATE_HZ)]


@pytest.fixture(scope="module")
def index() -> MemoryIndex:
    warm_up()
    made = MemoryIndex()
    for number, song in enumerate(SONGS):
        made.add(number, fingerprint_of(song))
    return made


def sure(matches: list[Match]) -> list[Match]:
    return [match for match in matches if match.decision is Decision.MATCH]


def only(matches: list[Match]) -> Match:
    assert len(matches) == 1, matches
    assert matches[0].decision is Decision.MATCH
    return matches[0]


def assert_ranges(match: Match, song: int, query: tuple[float, float], reference: tuple[float, float]) -> None:
    assert match.recording == song
    assert match.query_start_seconds == pytest.approx(query[0], abs=0.5)
    assert match.query_end_seconds == pytest.approx(query[1], abs=0.5)
    assert match.reference_start_seconds == pytest.approx(reference[0], abs=0.5)
    assert match.reference_end_seconds == pytest.approx(reference[1], abs=0.5)


@pytest.mark.parametrize("seconds", [3.0, 5.0, 10.0, 30.0, 45.0])
def test_a_clip_is_found_with_its_place(index: MemoryIndex, seconds: float) -> None:
    match = only(find_matches(fingerprint_of(cut(3, 12.34, 12.34 + seconds)), index))
    assert_ranges(match, 3, (0.0, seconds), (12.34, 12.34 + seconds))
    assert match.reference_start_seconds == pytest.approx(12.34, abs=0.05)
    assert match.speed == pytest.approx(1.0, abs=0.003)
    assert match.pitch == pytest.approx(1.0, abs=0.002)
    assert match.probability > 0.999


@pytest.mark.parametrize("samples", [0, 64, 128, 192])
def test_where_a_clip_starts_within_a_hop_does_not_matter(index: MemoryIndex, samples: int) -> None:
    start = 20 * SAMPLE_RATE_HZ + samples
    match = only(find_matches(fingerprint_of(SONGS[2][start : start + 5 * SAMPLE_RATE_HZ]), index))
    assert match.reference_start_seconds == pytest.approx(start / SAMPLE_RATE_HZ, abs=0.05)
    assert match.score > 0.5 * len(fingerprint_of(SONGS[2][start : start + 5 * SAMPLE_RATE_HZ]).peaks)


def test_a_perfect_match_in_an_index_of_one_is_sure() -> None:
    one = MemoryIndex()
    whole = fingerprint_of(cut(0, 0, 20))
    one.add(41, whole)
    assert_ranges(only(find_matches(whole, one)), 41, (0, 20), (0, 20))
    assert only(find_matches(fingerprint_of(cut(0, 5, 8)), one)).probability > 0.999


def test_a_clip_in_noise(index: MemoryIndex) -> None:
    clip = cut(4, 30, 40)
    loud = float(np.sqrt(np.mean(clip**2)))
    match = only(find_matches(fingerprint_of(clip + noise(10, seed=9, level=loud)[: len(clip)]), index))
    assert match.recording == 4
    assert match.reference_start_seconds - match.query_start_seconds == pytest.approx(30.0, abs=0.1)


def test_a_clip_through_a_codec(index: MemoryIndex) -> None:
    clip = music(70.0, seed=105, rate=SAMPLE_RATE_HZ)[15 * SAMPLE_RATE_HZ : 20 * SAMPLE_RATE_HZ]
    data = encoded(clip, "mp3", "libmp3lame", SAMPLE_RATE_HZ, bit_rate=24_000)
    match = only(find_matches(fingerprint(io.BytesIO(data)), index))
    assert_ranges(match, 5, (0, 5), (15, 20))


@pytest.mark.parametrize("speed", [0.9, 0.96, 1.02, 1.04, 1.08])
def test_a_clip_at_another_speed(index: MemoryIndex, speed: float) -> None:
    match = only(find_matches(fingerprint_of(at_speed(cut(6, 20, 35), speed)), index))
    assert_ranges(match, 6, (0, 15 / speed), (20, 35))
    assert match.speed == pytest.approx(speed, abs=0.003)
    assert match.pitch == pytest.approx(speed, abs=0.003)


def test_a_compilation_is_a_timeline(index: MemoryIndex) -> None:
    query = np.concatenate([cut(1, 5, 15), cut(2, 30, 38), cut(7, 40, 60)])
    first, second, third = sorted(sure(find_matches(fingerprint_of(query), index)), key=lambda m: m.query_start_seconds)
    assert_ranges(first, 1, (0, 10), (5, 15))
    assert_ranges(second, 2, (10, 18), (30, 38))
    assert_ranges(third, 7, (18, 38), (40, 60))


def test_a_source_that_is_repeated_is_found_twice(index: MemoryIndex) -> None:
    query = np.concatenate([cut(1, 20, 30), noise(6, seed=10), cut(1, 20, 30)])
    first, second = sorted(sure(find_matches(fingerprint_of(query), index)), key=lambda m: m.query_start_seconds)
    assert_ranges(first, 1, (0, 10), (20, 30))
    assert_ranges(second, 1, (16, 26), (20, 30))


def test_an_inserted_advertisement_makes_two_ranges(index: MemoryIndex) -> None:
    query = np.concatenate([cut(5, 0, 20), music(12, seed=555), cut(5, 20, 50)])
    matches = sure(find_matches(fingerprint_of(query), index))
    first, second = sorted(matches, key=lambda m: m.query_start_seconds)
    assert_ranges(first, 5, (0, 20), (0, 20))
    assert_ranges(second, 5, (32, 62), (20, 50))
    heard = [(match.query_start_seconds, match.query_end_seconds) for match in matches]
    assert total_seconds(heard) == pytest.approx(50, abs=1)
    (novel,) = complement(heard, 62, minimum_seconds=2)
    assert novel == pytest.approx((20, 32), abs=0.5)


def test_a_short_disturbance_does_not_split_a_match(index: MemoryIndex) -> None:
    query = cut(0, 10, 50).copy()
    query[20 * SAMPLE_RATE_HZ : 23 * SAMPLE_RATE_HZ] = noise(3, seed=11)
    assert_ranges(only(find_matches(fingerprint_of(query), index)), 0, (0, 40), (10, 50))


def test_a_short_quotation_in_a_long_query(index: MemoryIndex) -> None:
    query = np.concatenate([music(61, seed=901), cut(3, 50, 57), music(47, seed=902)])
    assert_ranges(only(find_matches(fingerprint_of(query), index)), 3, (61, 68), (50, 57))


def test_every_copy_in_the_index_is_found(index: MemoryIndex) -> None:
    copies = MemoryIndex()
    for number in range(3):
        copies.add(number, fingerprint_of(cut(4, 3 * number, 60)))
    matches = sure(find_matches(fingerprint_of(cut(4, 20, 30)), copies))
    assert {match.recording: round(match.reference_start_seconds) for match in matches} == {0: 20, 1: 17, 2: 14}


def test_an_excluded_recording_is_not_found(index: MemoryIndex) -> None:
    assert find_matches(fingerprint_of(cut(3, 10, 20)), index, exclude=[3]) == []


@pytest.mark.parametrize("seed", range(6))
def test_what_is_not_in_the_index_is_not_found(index: MemoryIndex, seed: int) -> None:
    assert not sure(find_matches(fingerprint_of(music(20, seed=7000 + seed)), index))
    assert not sure(find_matches(fingerprint_of(noise(10, seed=8000 + seed)), index))


def test_nothing_to_ask_for(index: MemoryIndex) -> None:
    assert find_matches(Fingerprint(no_peaks(), 5.0), index) == []
    assert find_matches(fingerprint_of(np.zeros(50_000, np.float32)), index) == []
    assert find_matches(fingerprint_of(cut(0, 0, 5)), MemoryIndex()) == []


@pytest.mark.parametrize("rate", [0.0, 1.0, -1.0])
def test_a_rate_that_makes_no_sense(index: MemoryIndex, rate: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        find_matches(fingerprint_of(cut(0, 0, 5)), index, false_positive_rate=rate)


def test_real_recordings() -> None:
    folder = shared_recordings() / "recordings"
    files = sorted(folder.iterdir(), key=lambda file: file.stat().st_size)[:12]
    real = MemoryIndex()
    sounds = [np.concatenate(list(decode_blocks(file))) for file in files]
    for number, sound in enumerate(sounds):
        real.add(number, fingerprint_of(sound))
    for number, sound in enumerate(sounds):
        clip = sound[3 * SAMPLE_RATE_HZ : 8 * SAMPLE_RATE_HZ]
        best = find_matches(fingerprint_of(clip), real)[0]
        assert best.recording == number
        assert best.decision is Decision.MATCH


def test_a_repeated_bar_hides_nothing_behind_an_advert_of_its_length() -> None:
    bar = music(2.5, seed=31)
    piece = np.concatenate([np.tile(bar, 6), music(35.0, seed=32)])
    index = MemoryIndex()
    index.add(0, fingerprint_of(piece))
    cut_open = round(20 * SAMPLE_RATE_HZ)
    edition = np.concatenate([piece[:cut_open], music(2.5, seed=33), piece[cut_open:]])
    found = sure(find_matches(fingerprint_of(edition), index))
    behind = max(found, key=lambda match: match.query_end_seconds)
    assert behind.query_start_seconds == pytest.approx(22.5, abs=0.2)
    assert behind.reference_start_seconds == pytest.approx(20.0, abs=0.2)
    assert behind.query_seconds > 27.0


def test_a_clip_that_is_only_sped_up_asks_for_few_keys() -> None:
    asked = 0

    class Counting(MemoryIndex):
        def postings(self, keys: NDArray[np.int32]) -> Postings:
            nonlocal asked
            asked += len(keys)
            return super().postings(keys)

    counting = Counting()
    for number, song in enumerate(SONGS):
        counting.add(number, fingerprint_of(song))
    match = only(find_matches(fingerprint_of(at_speed(cut(2, 20.0, 30.6), 1.06)), counting))
    assert match.recording == 2
    assert match.speed == pytest.approx(1.06, abs=0.003)
    assert asked < 8_000  # 14,000 when all stages without a warp came first
