"""What becomes of a recording."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import pytest

from sonicgen.domain.match import Decision, Match
from sonicgen.domain.recording import MatchStatus, Reason, Recording
from sonicgen.origin.ranges import Range, total_seconds
from sonicgen.origin.verdict import Heard, judge

SECONDS = 100.0


def heard(*, is_enough: bool = True, is_silent: bool = False, is_truncated: bool = False) -> Heard:
    def share(stretches: Sequence[Range]) -> float:
        return total_seconds(stretches) / SECONDS

    return Heard(SECONDS, is_enough, is_silent, is_truncated, share)


def match(recording: int, start: float, end: float, decision: Decision = Decision.MATCH) -> Match:
    return Match(recording, start, end, start + 7, end + 7, 1.0, 1.0, 50, 0.999, -20, decision)


def known(*numbers: int) -> dict[int, Recording]:
    return {
        n: Recording(UUID(int=n), f"recording {n}", "inbox", f"{n}.mp3", 1, 1, duration_seconds=500.0, number=n)
        for n in numbers
    }


@pytest.mark.parametrize(("silent", "reason"), [(True, Reason.SILENT), (False, Reason.TOO_SHORT)])
def test_too_little_sound(silent: bool, reason: Reason) -> None:
    verdict = judge(heard(is_enough=False, is_silent=silent), [], {}, 0.9)
    assert (verdict.status, verdict.reason, verdict.indexed) == (MatchStatus.TOO_SHORT, reason, [])


@pytest.mark.parametrize(("truncated", "reason"), [(True, Reason.TRUNCATED), (False, Reason.NEW)])
def test_what_is_new_is_indexed_whole(truncated: bool, reason: Reason) -> None:
    verdict = judge(heard(is_truncated=truncated), [match(1, 0, 40)], known(1), 0.9)
    assert (verdict.status, verdict.reason, verdict.original) == (MatchStatus.FINGERPRINTED, reason, None)
    assert verdict.indexed == [(0.0, SECONDS)]


def test_a_copy_is_linked_to_what_holds_most_of_it() -> None:
    verdict = judge(heard(), [match(1, 0, 92), match(2, 0, 99)], known(1, 2), 0.9)
    assert (verdict.status, verdict.reason) == (MatchStatus.MATCHED, Reason.DUPLICATE)
    assert verdict.original == known(2)[2]
    assert verdict.detail == "99% of its sound is in “recording 2”."


def test_of_equal_originals_the_first_to_come_is_taken() -> None:
    verdict = judge(heard(), [match(5, 0, 100), match(3, 0, 100)], known(3, 5), 0.9)
    assert verdict.original == known(3)[3]


def test_a_copy_keeps_its_novel_stretches_in_the_index() -> None:
    verdict = judge(heard(), [match(1, 0, 50), match(1, 54, 94)], known(1), 0.85)
    assert verdict.status is MatchStatus.MATCHED
    assert verdict.indexed == [(94, 100.0)], "six seconds are new, four are a seam"


def test_pieces_of_many_make_no_copy() -> None:
    matches = [match(n, 25.0 * (n - 1), 25.0 * n) for n in (1, 2, 3, 4)]
    assert judge(heard(), matches, known(1, 2, 3, 4), 0.9).status is MatchStatus.FINGERPRINTED


def test_what_is_unsure_decides_nothing() -> None:
    assert judge(heard(), [match(1, 0, 100, Decision.UNSURE)], known(1), 0.9).status is MatchStatus.FINGERPRINTED
