from __future__ import annotations

import numpy as np
import pytest

from sonicgen.match.index import Candidate
from sonicgen.match.memory_index import MemoryIndex
from sonicgen.match.policies import (
    Landmarks,
    MatchPolicy,
    Refusal,
    Ruling,
    count_offsets,
    plan_sections,
    rule,
    rule_v1,
    rule_v2,
    sample,
    without_noisy,
)
from sonicgen.sound.landmarks import index_landmarks
from sonicgen.sound.spectrum import HOP, SAMPLE_RATE_HZ
from tests.unit.sound.signals import Samples, at_speed, fingerprint_of, music, noise

SONGS = [music(200.0, seed=300 + number) for number in range(3)]


@pytest.fixture(scope="module")
def index() -> MemoryIndex:
    made = MemoryIndex()
    for number, song in enumerate(SONGS):
        made.add(number, fingerprint_of(song))
    return made


def cut(song: int, start: float, end: float) -> Samples:
    return SONGS[song][round(start * SAMPLE_RATE_HZ) : round(end * SAMPLE_RATE_HZ)]


def ruled(policy: MatchPolicy, sound: Samples, index: MemoryIndex) -> Ruling:
    return rule(policy, *index_landmarks(fingerprint_of(sound).peaks), index)


def landmarks(count: int, total: int | None = None) -> Landmarks:
    keys = np.arange(count, dtype=np.int32)
    return Landmarks(keys, keys, total or count)


@pytest.mark.parametrize(
    ("total", "sections", "per_section"),
    [
        (1_000, 5, 50),
        (5_000, 12, 80),
        (15_000, 19, 120),
        (50_000, 23, 160),
        (100_000, 50, 200),
        (144_000, 50, 200),  # an hour at version 1's 40 a second: 6.9 %
        (432_000, 50, 200),  # three hours: 2.3 %
        (2_000, 7, 65),  # a quarter of the way: half of the way in landmarks a section
    ],
)
def test_sections(total: int, sections: int, per_section: int) -> None:
    assert plan_sections(total) == (sections, per_section)


def test_sections_lie_evenly_from_the_first_landmark_to_the_last() -> None:
    keys = np.arange(144_000, dtype=np.int32)
    sampled = sample(keys, keys + 7)
    assert len(sampled.keys) == 10_000
    assert sampled.total == 144_000
    assert (sampled.keys[0], sampled.keys[-1]) == (0, 143_999)
    np.testing.assert_array_equal(sampled.frames, sampled.keys + 7)
    gaps = np.diff(sampled.keys)
    assert sorted(set(gaps[gaps > 1])) == pytest.approx([2_735] * 2, abs=3)


def test_a_short_query_is_asked_for_whole() -> None:
    keys = np.arange(999, dtype=np.int32)
    assert len(sample(keys, keys).keys) == 999


def test_version_1_adds_up_what_lies_within_one_frame_of_the_best_offset_only() -> None:
    found = [Candidate(5, 100, 60), Candidate(5, 101, 30), Candidate(5, 99, 10), Candidate(5, 102, 500 // 10)]
    ruling = rule_v1(landmarks(1_000, 10_000), [*found, Candidate(6, 100, 55)])
    assert (ruling.recording, ruling.aligned, ruling.share) == (5, 100, 0.1)
    assert ruling.is_accepted
    assert rule_v1(landmarks(1_001, 10_000), found).refusal is Refusal.TOO_FEW


def test_version_1_calls_everything_short_too_short() -> None:
    assert rule_v1(landmarks(999, 9_999), [Candidate(5, 0, 999)]).refusal is Refusal.TOO_SHORT


def test_version_2_wants_eighteen_and_four_tenths() -> None:
    assert rule_v2(landmarks(45), [Candidate(5, 0, 18)]).is_accepted
    assert rule_v2(landmarks(46), [Candidate(5, 0, 18)]).refusal is Refusal.TOO_FEW
    assert rule_v2(landmarks(20), [Candidate(5, 0, 17)]).refusal is Refusal.TOO_FEW
    assert rule_v2(landmarks(20), []).refusal is Refusal.NO_CANDIDATE


def test_noisy_landmarks_do_not_count() -> None:
    kept = without_noisy(landmarks(100), np.arange(0, 60, dtype=np.int32))
    assert list(kept.keys) == list(range(60, 100))
    assert rule_v2(kept, [Candidate(5, 0, 18)]).is_accepted
    assert not rule_v2(landmarks(100), [Candidate(5, 0, 18)]).is_accepted


def test_offsets_are_counted_to_the_frame(index: MemoryIndex) -> None:
    keys, frames = index_landmarks(fingerprint_of(SONGS[1]).peaks)
    best = count_offsets(Landmarks(keys, frames + np.int32(3), len(keys)), index)[0]
    assert (best.recording, best.delta_frames) == (1, -3)
    assert best.votes >= len(keys)  # a landmark that occurs twice votes for itself, too


def test_both_accept_a_long_copy(index: MemoryIndex) -> None:
    for policy in (MatchPolicy.V1, MatchPolicy.V2):
        ruling = ruled(policy, SONGS[2], index)
        assert ruling.is_accepted
        assert ruling.recording == 2


def test_version_2_accepts_a_clean_clip_and_loses_it_half_a_hop_later(index: MemoryIndex) -> None:
    on_the_grid = 2_153 * HOP
    clip = SONGS[1][on_the_grid : on_the_grid + 8 * SAMPLE_RATE_HZ]
    ruling = ruled(MatchPolicy.V2, clip, index)
    assert (ruling.is_accepted, ruling.recording) == (True, 1)
    later = SONGS[1][on_the_grid + HOP // 2 : on_the_grid + HOP // 2 + 8 * SAMPLE_RATE_HZ]
    assert ruled(MatchPolicy.V2, later, index).refusal is Refusal.TOO_FEW


def test_version_1_fails_on_every_clip_however_clean(index: MemoryIndex) -> None:
    assert ruled(MatchPolicy.V1, cut(1, 50, 110), index).refusal is Refusal.TOO_SHORT


def test_version_1_takes_a_recording_that_quotes_for_a_copy(index: MemoryIndex) -> None:
    novel = music(150.0, seed=999)
    ruling = ruled(MatchPolicy.V1, np.concatenate([novel, cut(0, 20, 60)]), index)
    assert ruling.is_accepted, "a fifth of it is quoted, and the whole would not have been stored"
    assert ruling.recording == 0


@pytest.mark.parametrize("speed", [0.97, 1.03])
def test_both_fail_at_another_speed(index: MemoryIndex, speed: float) -> None:
    whole = at_speed(SONGS[0], speed)
    assert ruled(MatchPolicy.V1, whole, index).refusal is Refusal.TOO_FEW
    assert ruled(MatchPolicy.V2, whole, index).refusal is Refusal.TOO_FEW


def test_version_2_fails_in_noise_and_in_compilations(index: MemoryIndex) -> None:
    clip = cut(0, 20, 30)
    loud = float(np.sqrt(np.mean(clip**2)))
    noisy = clip + noise(11.0, seed=4, level=loud)[: len(clip)]
    assert ruled(MatchPolicy.V2, noisy, index).refusal is Refusal.TOO_FEW
    three = np.concatenate([cut(0, 20, 30), cut(1, 20, 30), cut(2, 20, 30)])
    assert ruled(MatchPolicy.V2, three, index).refusal is Refusal.TOO_FEW


def test_chance_is_no_rule_of_this_kind(index: MemoryIndex) -> None:
    with pytest.raises(ValueError, match="by chance"):
        ruled(MatchPolicy.CHANCE, cut(0, 0, 3), index)
