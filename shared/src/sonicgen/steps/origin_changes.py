"""Carry out that one recording is another's copy: states, matches, landmarks, the record of who decided it and why."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from uuid import UUID

from sonicgen.domain.match import Decision, Match
from sonicgen.domain.recording import MatchStatus, Reason, Recording
from sonicgen.log import log
from sonicgen.origin.evidence import Weighed
from sonicgen.origin.timemap import Piece, here_seconds
from sonicgen.store import decisions, matches, recordings
from sonicgen.store.database import Connection, Database
from sonicgen.store.decisions import StoredDecision
from sonicgen.store.matches import StoredMatch

logger = logging.getLogger(__name__)

KIND = "origin"  # of decisions: (copy, its original), or (recording,) of one that a person calls an original
BY_PERSON = "person"
DECIDED_BY = "originals"


@dataclass(frozen=True, slots=True)
class Move:
    """A recording becomes the copy of another: where it lies there, and why."""

    copy: Recording
    original: Recording
    pieces: tuple[Piece, ...]
    weighed: Weighed


@dataclass(frozen=True, slots=True)
class Link:
    """A recording has something in common with another, seen through a third."""

    recording: Recording
    other: Recording
    pieces: tuple[Piece, ...]


@dataclass(slots=True)
class Succession:
    """What changes when a recording is stored.

    `weighed`: why it is a copy itself. `released` are read anew: copies whose original turned out to be none, and
    former originals that have sound of their own besides.
    """

    weighed: Weighed | None = None
    moves: list[Move] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    released: list[Recording] = field(default_factory=list)

    @property
    def demoted(self) -> frozenset[UUID]:
        """The recordings that are no originals any more."""
        changed = [*(move.copy for move in self.moves), *self.released]
        return frozenset(one.id for one in changed if one.match_status is MatchStatus.FINGERPRINTED)


def by_person(database: Database, recording_id: UUID) -> StoredDecision | None:
    """Return what a person decided of where a recording comes from, None when nobody did."""
    standing = [
        decision
        for decision in decisions.about(database, recording_id)
        if decision.kind == KIND
        and decision.decided_by == BY_PERSON
        and decision.undone_at is None
        and decision.subject_ids[0] == recording_id
    ]
    return standing[-1] if standing else None


def carry_out(connection: Connection, recording: Recording, original: Recording | None, changes: Succession) -> None:
    """Write what changes, in the transaction that has stored the recording as this one's copy or as an original."""
    if original is not None and changes.weighed is not None:
        _record(connection, recording, original, changes.weighed)
    for move in changes.moves:
        _record(connection, move.copy, move.original, move.weighed)
        share = here_seconds(move.pieces) / max(move.copy.duration_seconds or 0.0, 1e-3)
        detail = f"{min(1.0, share):.0%} of its sound is in “{move.original.title}”."
        if move.copy.match_status is MatchStatus.MATCHED:
            recordings.move_copy(connection, move.copy.id, move.original.id, detail)
        else:
            recordings.ask_again(connection, move.copy.id)
            recordings.finish(
                connection, move.copy.id, MatchStatus.MATCHED, Reason.DUPLICATE,
                detail=detail, original_id=move.original.id,
            )  # fmt: skip
        rows = [(move.copy.id, move.original.id, match_of(piece)) for piece in move.pieces]
        matches.add(connection, rows, DECIDED_BY)
        log(logger, f"{move.copy.title} is now a copy of {move.original.title}.", probability=move.weighed.probability)
    for link in changes.links:
        rows = [(link.recording.id, link.other.id, match_of(piece)) for piece in link.pieces]
        matches.add(connection, rows, DECIDED_BY)
    for copy in changes.released:
        recordings.ask_again(connection, copy.id)


def piece_of(match: Match | StoredMatch) -> Piece:
    """Return a match as a piece of a map from the query to the reference."""
    return Piece(
        (match.query_start_seconds, match.query_end_seconds),
        (match.reference_start_seconds, match.reference_end_seconds),
        match.speed,
        match.pitch,
        match.score,
        match.probability,
        match.log10_chance,
    )


def _record(connection: Connection, copy: Recording, original: Recording, weighed: Weighed) -> None:
    decisions.record(connection, KIND, [copy.id, original.id], decided_by=DECIDED_BY, thresholds=weighed.to_json())


def match_of(piece: Piece, number: int = 0) -> Match:
    """Return a piece of a map as a match with a recording; `number` is 0 for one that has none."""
    return Match(
        number,
        *piece.here,
        *piece.there,
        piece.speed,
        piece.pitch,
        piece.score,
        piece.probability,
        piece.log10_chance,
        Decision.MATCH,
    )
