"""States, moves and identity of a recording."""

from __future__ import annotations

from uuid import UUID

import pytest

from sonicgen.domain.recording import (
    ALLOWED_MOVES,
    EXPLANATIONS,
    FINAL_STATUSES,
    MatchStatus,
    Reason,
    Recording,
    check_move,
    recording_id,
)
from sonicgen.errors import ConflictError


def a_recording(**changes: object) -> Recording:
    values: dict[str, object] = {
        "id": UUID(int=1), "title": "talk.mp3", "bucket": "inbox", "object_name": "ab/talk.mp3", "generation": 5,
        "size_bytes": 10,
    }  # fmt: skip
    return Recording(**{**values, **changes})  # type: ignore[arg-type]


def test_the_same_upload_always_has_the_same_id() -> None:
    # Written down: a change of this would orphan every recording that is known.
    assert recording_id("inbox", "a.mp3", 7) == UUID("f6c6c5d3-07ea-5d34-bef2-dff15d32de78")
    ids = {recording_id(*parts) for parts in (("inbox", "a.mp3", 7), ("inbox", "a.mp3", 8), ("media", "a.mp3", 7))}
    assert len(ids) == 3


def test_every_state_has_its_moves_and_leads_back_to_work() -> None:
    assert set(ALLOWED_MOVES) == {None, *MatchStatus}
    for status in FINAL_STATUSES:
        assert ALLOWED_MOVES[status] == {MatchStatus.PENDING}
    assert ALLOWED_MOVES[MatchStatus.PENDING] >= FINAL_STATUSES


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, MatchStatus.MATCHED), (MatchStatus.FLAG, MatchStatus.MATCHED), (MatchStatus.MATCHED, MatchStatus.FLAG)],
)
def test_a_move_that_is_not_allowed_is_refused(before: MatchStatus | None, after: MatchStatus) -> None:
    with pytest.raises(ConflictError, match="cannot become"):
        check_move(before, after)


def test_every_reason_is_explained() -> None:
    assert set(EXPLANATIONS) == set(Reason)
    for reason in Reason:
        told = a_recording(match_status=MatchStatus.FLAG, reason=reason, reason_detail="More.").explain()
        assert told == f"{EXPLANATIONS[reason]} More."
    assert a_recording().explain() == "Waiting for its turn."
    assert a_recording(match_status=MatchStatus.PENDING).explain() == "Being read."


def test_only_final_states_are_final() -> None:
    assert not a_recording().is_final
    assert not a_recording(match_status=MatchStatus.PENDING).is_final
    assert a_recording(match_status=MatchStatus.TOO_SHORT).is_final
    assert a_recording().source_uri == "gs://inbox/ab/talk.mp3"
