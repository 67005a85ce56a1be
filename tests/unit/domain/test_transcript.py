"""States, moves and identity of a transcript."""

from __future__ import annotations

from uuid import UUID

from sonicgen.domain.transcript import (
    COMPLETE_STATES,
    HOPELESS_STATES,
    TRANSCRIPT_EXPLANATIONS,
    TRANSCRIPT_MOVES,
    Transcript,
    TranscriptReason,
    TranscriptState,
    transcript_id,
)


def test_every_state_has_moves_and_leads_back_to_work() -> None:
    assert set(TRANSCRIPT_MOVES) == set(TranscriptState)
    reached = {TranscriptState.PLANNED}
    for _ in TranscriptState:
        reached |= {after for before in reached for after in TRANSCRIPT_MOVES[before]}
    assert reached == set(TranscriptState), "every state can be reached"
    for state in COMPLETE_STATES | HOPELESS_STATES | {TranscriptState.OVER_BUDGET}:
        assert TranscriptState.PLANNED in TRANSCRIPT_MOVES[state]


def test_what_is_paid_for_is_never_sent_again_by_itself() -> None:
    for state in (TranscriptState.SUBMITTED, TranscriptState.PROCESSING):
        assert not TRANSCRIPT_MOVES[state] & {TranscriptState.PLANNED, TranscriptState.SUBMITTING}


def test_every_reason_is_explained() -> None:
    assert set(TRANSCRIPT_EXPLANATIONS) == set(TranscriptReason)
    for reason in TranscriptReason:
        transcript = Transcript(UUID(int=1), UUID(int=2), TranscriptState.FAILED, reason, "More.")
        assert transcript.explain() == f"{TRANSCRIPT_EXPLANATIONS[reason]} More."
    assert Transcript(UUID(int=1), UUID(int=2), TranscriptState.PLANNED).explain() == "Waiting to be sent."


def test_the_same_recording_always_has_the_same_transcript() -> None:
    assert transcript_id(UUID(int=1)) == UUID("5a870116-99b6-552c-8836-1b35db66413b")
    assert transcript_id(UUID(int=1)) != transcript_id(UUID(int=2))
