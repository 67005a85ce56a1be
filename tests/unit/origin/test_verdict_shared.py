"""What shared material (intro, jingle, advert) changes in a verdict, and what it must not change."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from uuid import UUID

from sonicgen.domain.match import Decision, Match
from sonicgen.domain.recording import MatchStatus, Recording
from sonicgen.origin.ranges import Range, total_seconds
from sonicgen.origin.verdict import Heard, Verdict, judge


def recording(number: int, seconds: float, original: int | None = None) -> Recording:
    return Recording(
        id=UUID(int=number),
        title=f"recording {number}",
        bucket="inbox",
        object_name=str(number),
        generation=1,
        size_bytes=1,
        match_status=MatchStatus.FINGERPRINTED,
        duration_seconds=seconds,
        original_video_id=UUID(int=original) if original else None,
        number=number,
    )


def match(number: int, start: float, end: float, there: float = 0.0) -> Match:
    return Match(number, start, end, there, there + end - start, 1.0, 1.0, 99.0, 1.0, -9.0, Decision.MATCH)


def verdict(seconds: float, matches: Sequence[Match], lengths: dict[int, float], coverage: float = 0.9) -> Verdict:
    def share(ranges: Sequence[Range]) -> float:
        return total_seconds(ranges) / seconds

    heard = Heard(seconds, is_enough=True, is_silent=False, is_truncated=False, share=share)
    return judge(heard, matches, {n: recording(n, length) for n, length in lengths.items()}, coverage)


EPISODES = dict.fromkeys((1, 2, 3, 4), 1_800.0)


def test_an_intro_makes_no_copy_even_at_a_low_coverage() -> None:
    intro = [match(number, 0, 40) for number in EPISODES]
    made = verdict(100, [*intro, match(1, 90, 100)], EPISODES, coverage=0.45)
    assert made.status is MatchStatus.FINGERPRINTED
    assert made.indexed == [(0.0, 100)]


def test_without_the_others_the_same_stretches_make_a_copy() -> None:
    made = verdict(100, [match(1, 0, 40), match(1, 90, 100)], EPISODES, coverage=0.45)
    assert made.status is MatchStatus.MATCHED


def test_a_repost_of_an_episode_with_a_shared_intro_is_a_copy_of_that_episode() -> None:
    intro = [match(number, 0, 40) for number in EPISODES]
    made = verdict(1_800, [match(3, 0, 1_750), *intro], EPISODES)
    assert made.status is MatchStatus.MATCHED
    assert made.original is not None
    assert made.original.number == 3


def test_a_repost_with_a_seam_and_mostly_intro_is_still_a_copy() -> None:
    intro = [match(number, 0, 14) for number in (2, 3, 4)]
    made = verdict(30, [match(1, 0, 28), *intro], EPISODES)
    assert made.status is MatchStatus.MATCHED
    assert made.original is not None
    assert made.original.number == 1


def test_a_repost_of_what_was_posted_three_times_is_a_copy() -> None:
    made = verdict(20, [match(number, 0, 20) for number in (1, 2, 3)], dict.fromkeys((1, 2, 3), 20.0))
    assert made.status is MatchStatus.MATCHED
    assert made.original is not None
    assert made.original.number == 1


def test_nothing_but_jingles_is_no_copy_of_a_programme_that_has_some_of_them() -> None:
    pairs = dict(enumerate(combinations(range(5), 2), start=1))  # ten programmes, each with two of five jingles
    jingles = [match(number, 10.0 * n, 10.0 * n + 10) for number, pair in pairs.items() for n in pair]
    lengths = dict.fromkeys(pairs, 1_800.0)
    assert verdict(50, jingles, lengths, coverage=0.4).status is MatchStatus.FINGERPRINTED
    two_programmes = [one for one in jingles if one.recording <= 2]
    assert verdict(50, two_programmes, lengths, coverage=0.4).status is MatchStatus.MATCHED
