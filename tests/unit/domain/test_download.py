from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sonicgen.domain.download import RULES, DownloadReason, DownloadState, Failure, decide, describe_retries, explain

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


def test_every_reason_has_a_sentence_and_an_end() -> None:
    assert set(RULES) == set(DownloadReason)
    for reason, rule in RULES.items():
        sentence = explain(reason, "YouTube")
        assert sentence.endswith(".")
        assert "{" not in sentence
        assert rule.end not in (DownloadState.QUEUED, DownloadState.WAITING)
        assert all(wait > 0 for wait in rule.waits_seconds)


@pytest.mark.parametrize("reason", [DownloadReason.GONE, DownloadReason.GEO_BLOCKED, DownloadReason.DRM])
def test_what_will_not_change_is_not_tried_again(reason: DownloadReason) -> None:
    fate = decide(Failure(reason), 1, NOW)
    assert (fate.state, fate.next_attempt_at) == (DownloadState.FAILED, None)


def test_what_may_pass_is_tried_again_as_often_as_the_rule_says() -> None:
    waits = RULES[DownloadReason.NETWORK].waits_seconds
    for number, wait in enumerate(waits, start=1):
        fate = decide(Failure(DownloadReason.NETWORK), number, NOW)
        assert (fate.state, fate.next_attempt_at) == (DownloadState.WAITING, NOW + timedelta(seconds=wait))
    assert decide(Failure(DownloadReason.NETWORK), len(waits) + 1, NOW).state is DownloadState.FAILED
    assert list(waits) == sorted(waits)


def test_a_premiere_is_waited_for() -> None:
    begins = NOW + timedelta(days=3)
    fate = decide(Failure(DownloadReason.NOT_YET_BEGUN, release_at=begins), 99, NOW)
    assert fate.state is DownloadState.WAITING
    assert fate.next_attempt_at is not None
    assert begins < fate.next_attempt_at < begins + timedelta(minutes=10)
    late = decide(Failure(DownloadReason.NOT_YET_BEGUN, release_at=NOW - timedelta(hours=1)), 1, NOW)
    assert late.next_attempt_at == NOW + timedelta(hours=6)


def test_our_own_limits_leave_out() -> None:
    assert decide(Failure(DownloadReason.TOO_LARGE), 1, NOW).state is DownloadState.SKIPPED


def test_retries_in_words() -> None:
    assert describe_retries(RULES[DownloadReason.GONE]) == "never by itself"
    assert describe_retries(RULES[DownloadReason.LIVE]) == "after 1 h (48×)"
    assert describe_retries(RULES[DownloadReason.NETWORK]) == "after 1 min, 10 min, 1 h, 6 h, 1 d (2×)"
    assert describe_retries(RULES[DownloadReason.RATE_LIMITED]).endswith("the whole site pauses")
