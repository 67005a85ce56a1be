"""What people said of a recording's matches, held to whenever the recording is heard again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sonicgen.domain.match import Decision, Match
from sonicgen.domain.recording import Recording
from sonicgen.origin.ranges import Range
from sonicgen.store import decisions, matches
from sonicgen.store.database import Connection, Database
from sonicgen.store.decisions import StoredDecision
from sonicgen.store.matches import Review, StoredMatch

KIND = "match_review"
# A match that is found again is the same when its ranges on both sides share half of the shorter one; a search
# that knows more recordings, or a newer fingerprint, moves its ends.
_SAME_SHARE = 0.5

Pair = tuple[Recording, Match]


@dataclass(frozen=True, slots=True)
class StandingReview:
    """One verdict that nobody took back, and the match that it was about, in seconds of both sides."""

    match_id: UUID
    reference_id: UUID
    query: Range
    reference: Range
    verdict: Review
    reviewed_by: str
    reviewed_at: datetime

    def is_about(self, reference_id: UUID, match: Match | StoredMatch) -> bool:
        """Return whether a match that was found just now is the one that was reviewed."""
        return (
            reference_id == self.reference_id
            and _shares(self.query, (match.query_start_seconds, match.query_end_seconds))
            and _shares(self.reference, (match.reference_start_seconds, match.reference_end_seconds))
        )


def grounds_of(match: StoredMatch, verdict: Review, false_positive_rate: float) -> Mapping[str, object]:
    """Return what is recorded with a verdict: what the search had said, and where the match lies."""
    return {
        "verdict": verdict,
        "false_positive_rate": false_positive_rate,
        "probability": match.probability,
        "log10_chance": match.log10_chance,
        "score": match.score,
        "decision": str(match.decision),
        "query_seconds": [match.query_start_seconds, match.query_end_seconds],
        "reference_seconds": [match.reference_start_seconds, match.reference_end_seconds],
    }


def standing_reviews(database: Database, recording_id: UUID) -> list[StandingReview]:
    """Return what people said of the matches that a recording holds of others, the latest first."""
    found = [
        _review(decision)
        for decision in decisions.about(database, recording_id)
        if decision.kind == KIND
        and decision.undone_at is None
        and decision.subject_ids[1] == recording_id
        and "query_seconds" in decision.thresholds
    ]
    return found[::-1]


def hold_to_reviews(reviews: Sequence[StandingReview], pairs: Iterable[Pair]) -> list[Pair]:
    """Return the matches as people see them: an accepted one is sure, a rejected one is not, whatever was measured."""
    held = []
    for other, match in pairs:
        review = _review_of(reviews, other.id, match)
        if review is not None:
            match = replace(match, decision=Decision.MATCH if review.verdict == "accepted" else Decision.UNSURE)
        held.append((other, match))
    return held


def keep_reviews(connection: Connection, recording_id: UUID, reviews: Sequence[StandingReview]) -> None:
    """Give matches that were stored anew in this transaction their identifiers and verdicts back."""
    if not reviews:
        return
    kept: set[UUID] = set()
    for stored in matches.within(connection, recording_id):
        review = _review_of(reviews, stored.reference_id, stored)
        if review is not None and review.match_id not in kept:
            kept.add(review.match_id)
            matches.restore_review(
                connection, stored.id, review.match_id, review.verdict, review.reviewed_by, review.reviewed_at
            )


def _review(decision: StoredDecision) -> StandingReview:
    match_id, _, reference_id = decision.subject_ids
    said = cast(Mapping[str, Any], decision.thresholds)
    query, reference = (cast(Range, tuple(said[side])) for side in ("query_seconds", "reference_seconds"))
    return StandingReview(
        match_id, reference_id, query, reference, said["verdict"], decision.decided_by, decision.made_at
    )


def _review_of(
    reviews: Iterable[StandingReview], reference_id: UUID, match: Match | StoredMatch
) -> StandingReview | None:
    return next((review for review in reviews if review.is_about(reference_id, match)), None)


def _shares(one: Range, other: Range) -> bool:
    shared = min(one[1], other[1]) - max(one[0], other[0])
    return shared >= _SAME_SHARE * min(one[1] - one[0], other[1] - other[0])
