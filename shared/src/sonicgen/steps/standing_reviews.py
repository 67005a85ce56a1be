"""What people said of a recording's matches, held to whenever the recording is heard again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

from sonicgen.domain.match import Decision, Match
from sonicgen.domain.recording import Recording
from sonicgen.store import matches
from sonicgen.store.database import Database
from sonicgen.store.matches import StoredMatch

# As in matches.sql, renew_reviewed: a search that knows more recordings, or a newer fingerprint, moves a match's ends.
_SAME_SHARE = 0.5

Pair = tuple[Recording, Match]


def hold_to_reviews(database: Database, recording_id: UUID, found: Iterable[Pair]) -> list[Pair]:
    """Return matches as people see them: an accepted one is sure, a rejected one is not, whatever was measured."""
    pairs = list(found)
    if not pairs:
        return []
    reviewed = [match for match in matches.of(database, recording_id) if match.review is not None]
    return [(other, _held(match, other.id, reviewed)) for other, match in pairs]


def _held(match: Match, reference_id: UUID, reviewed: Iterable[StoredMatch]) -> Match:
    for before in reviewed:
        if before.reference_id == reference_id and _is_same(before, match):
            return replace(match, decision=Decision.MATCH if before.review == "accepted" else Decision.UNSURE)
    return match


def _is_same(before: StoredMatch, match: Match) -> bool:
    query = min(before.query_end_seconds, match.query_end_seconds) - max(
        before.query_start_seconds, match.query_start_seconds
    )
    reference = min(before.reference_end_seconds, match.reference_end_seconds) - max(
        before.reference_start_seconds, match.reference_start_seconds
    )
    shorter = min(before.query_end_seconds - before.query_start_seconds, match.query_seconds)
    return query > _SAME_SHARE * shorter and reference > 0
