"""Which recording is the original of which, kept right whatever order they come in.

A recording that arrives is weighed against what holds it and what it holds (`sonicgen.origin.evidence`). It may become
the copy of a known one, or take a known one's place: then that one and its copies become copies of it, its landmarks go
into the index in place of theirs, and what was paid for their transcripts is inherited from them. All is decided under
the index lock, read before anything is written; `sonicgen.steps.origin_changes` carries it out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from sonicgen.domain.match import Decision, Match
from sonicgen.domain.recording import MatchStatus, Reason, Recording
from sonicgen.match.index import Stretch
from sonicgen.origin.evidence import Traits
from sonicgen.origin.ranges import complement, union
from sonicgen.origin.succession import Common, Option, choose_source, is_compilation, reachable, weigh_option
from sonicgen.origin.timemap import Piece, compose, invert, may_reach_further, there_seconds
from sonicgen.origin.verdict import MINIMUM_NOVEL_SECONDS
from sonicgen.settings import Settings
from sonicgen.sound.fingerprint import Fingerprint
from sonicgen.sound.stretches import share_within
from sonicgen.steps.origin_changes import Link, Move, Succession, by_person, piece_of
from sonicgen.steps.search_index import PostgresIndex
from sonicgen.steps.uploads import has_sound
from sonicgen.store import decisions, matches, recordings
from sonicgen.store.database import Database

# Of a jingle with thousands of copies only the latest are looked at again.
MOST_COPIES = 500

Pieces = dict[UUID, list[Piece]]


class Origins:
    """Weighs one recording that is about to be stored; everything is read before anything is written."""

    def __init__(
        self, database: Database, settings: Settings, recording: Recording, fingerprint: Fingerprint,
        found: Sequence[tuple[Recording, Match]],
    ) -> None:  # fmt: skip
        self._database = database
        self._coverage = settings.duplicate_coverage
        self._trusted = settings.trusted_channel_ids
        self._recording = recording
        self._fingerprint = fingerprint
        self._others = {other.id: other for other, _ in found}
        self._pieces: Pieces = {}
        for other, match in found:
            if match.decision is Decision.MATCH:
                self._pieces.setdefault(other.id, []).append(piece_of(match))
        self._traits: dict[UUID, Traits] = {}
        self._share_held: dict[UUID, float] = {}
        self._index = PostgresIndex(database)
        self.succession = Succession()

    def choose(self, shares: Mapping[int, float]) -> int | None:
        """Choose whose copy the recording is, of those that hold it (see `sonicgen.origin.verdict.judge`)."""
        if not shares:
            return None
        decision = by_person(self._database, self._recording.id)
        if decision is not None:
            return self._chosen_by_person(decision, shares)
        numbers = {other.id: other.number for other in self._others.values() if other.number in shares}
        options = [self._option(self._others[identifier]) for identifier in numbers]
        best = choose_source(self._own_traits(), options)
        if best is None:
            return None
        option, self.succession.weighed = best
        return numbers[option.traits.id]

    def settle(self, original: Recording | None) -> Succession:
        """Return all that changes with the recording being this one's copy, or an original."""
        if original is None:
            for other_id, pieces in list(self._pieces.items()):
                self._succeed(self._others[other_id], pieces)
        taken_over = self.succession.demoted
        for other_id in self._pieces:
            other = self._others[other_id]
            if other.match_status is MatchStatus.FINGERPRINTED:
                self._reassess_copies(other, original, is_over=other_id in taken_over)
        if original is not None:
            self._reassess_copies(self._recording, original, is_over=True)
        return self.succession

    def _option(self, other: Recording) -> Option:
        pieces = tuple(self._pieces[other.id])
        return Option(self._traits_of(other), pieces, other.duration_seconds or 0.0, self._fingerprint.seconds)

    def _chosen_by_person(self, decision: decisions.StoredDecision, shares: Mapping[int, float]) -> int | None:
        wanted = decision.subject_ids[1:]
        return next((o.number for o in self._others.values() if o.id in wanted and o.number in shares), None)

    def _succeed(self, other: Recording, pieces: Sequence[Piece]) -> None:
        """Take the place of an original that lies within the recording and comes from it."""
        if other.match_status is not MatchStatus.FINGERPRINTED or self._held_share(other) < self._coverage:
            return
        seconds = other.duration_seconds or 0.0
        option = Option(self._own_traits(), tuple(invert(pieces)), self._fingerprint.seconds, seconds)
        weighed = weigh_option(self._traits_of(other), option)
        decision = by_person(self._database, other.id)
        is_ours = (
            option.is_distinct and weighed.log_odds > 0
            if decision is None
            else decision.subject_ids[1:] == (self._recording.id,)
        )
        if not is_ours:
            return
        if complement((p.there for p in pieces), seconds, MINIMUM_NOVEL_SECONDS):
            # What only it has stays in the index, and landmarks cannot be made of stored peaks: it is read again, and
            # stays an original when there is nothing to read.
            if not has_sound(other):
                return
            self.succession.released.append(other)
        else:
            self.succession.moves.append(Move(other, self._recording, option.pieces, weighed))
        self._link(other, pieces)

    def _link(self, other: Recording, pieces: Sequence[Piece]) -> None:
        """Take over what a former original has in common with others, such as compilations that quote it.

        A search that has found a recording in full looks for no lesser matches.
        """
        onward = common(self._database, other.id)
        for third in recordings.by_ids(self._database, onward).values():
            if third.id in self._pieces or third.id == self._recording.id or third.original_video_id == other.id:
                continue
            chain = compose(pieces, onward[third.id])
            if chain:
                self._others[third.id] = third
                self._pieces[third.id] = chain
                self.succession.links.append(Link(self._recording, third, tuple(chain)))

    def _reassess_copies(self, through: Recording, successor: Recording | None, *, is_over: bool) -> None:
        """Look again where the copies of a recording come from, now that more is known.

        `is_over`: the recording is no original any more.
        """
        copies = recordings.copies_of(self._database, through.id)[-MOST_COPIES:]
        if not copies:
            return
        onward = self._onward(through)
        sources = self._originals(onward)
        if successor is not None and successor.id in onward:
            sources[successor.id] = successor
        for copy in copies:
            if copy.id != self._recording.id and by_person(self._database, copy.id) is None:
                self._reassess(copy, through, onward, sources, is_over=is_over)

    def _reassess(
        self, copy: Recording, through: Recording, onward: Pieces, sources: Mapping[UUID, Recording], *, is_over: bool
    ) -> None:
        to_original = common(self._database, copy.id).get(through.id, [])
        if not to_original and copy.reason is Reason.IDENTICAL_FILE and copy.duration_seconds:
            whole = (0.0, copy.duration_seconds)
            to_original = [Piece(whole, whole)]
        chains = reachable(to_original, {i: onward[i] for i in sources if i != copy.id}, self._coverage)
        if not is_over:
            chains[through.id] = to_original
        known = {**sources, through.id: through}
        options = [
            Option(
                self._traits_of(known[source]), tuple(chain), self._seconds(known[source]), copy.duration_seconds or 0.0
            )
            for source, chain in chains.items()
        ]
        if not options:
            return  # its original is another's copy now, which does not hold it: it stays where it is
        best = choose_source(self._traits_of(copy), options)
        if best is not None and best[0].traits.id == through.id:
            return
        # One that was seen through another which holds less of it may reach further into its new original. When its
        # sound is gone, what is on record has to do: to be read in vain would cost it its verdict.
        is_unclear = best is None or may_reach_further(best[0].pieces, best[0].copy_seconds, best[0].seconds)
        if is_unclear and has_sound(copy):
            self.succession.released.append(copy)
        elif best is not None:
            self.succession.moves.append(Move(copy, known[best[0].traits.id], best[0].pieces, best[1]))

    def _onward(self, through: Recording) -> Pieces:
        """Return where a recording lies in others, by what is on record and what was found just now."""
        if through.id == self._recording.id:
            return dict(self._pieces)
        onward = common(self._database, through.id)
        onward[self._recording.id] = invert(self._pieces.get(through.id, []))
        return onward

    def _originals(self, onward: Pieces) -> dict[UUID, Recording]:
        known = recordings.by_ids(self._database, [i for i in onward if i != self._recording.id])
        over = {move.copy.id for move in self.succession.moves}
        found = {i: one for i, one in known.items() if one.match_status is MatchStatus.FINGERPRINTED and i not in over}
        if self.succession.weighed is None and self._recording.id in onward:
            found[self._recording.id] = self._recording
        return found

    def _held_share(self, other: Recording) -> float:
        """Return which share of another recording's sound lies within this one."""
        if other.id not in self._share_held:
            self._share_held[other.id] = self._measure_share(other)
        return self._share_held[other.id]

    def _measure_share(self, other: Recording) -> float:
        seconds = other.duration_seconds or 0.0
        pieces = self._pieces.get(other.id, [])
        held = union(piece.there for piece in pieces)
        roughly = there_seconds(pieces) / seconds if seconds else 0.0
        # Silence does not count, but it is rarely half of a recording: most are told apart without their peaks.
        if other.number is None or other.match_status is not MatchStatus.FINGERPRINTED or roughly < self._coverage / 2:
            return roughly
        return share_within(self._stored(other), held)

    def _stored(self, other: Recording) -> Fingerprint:
        assert other.number is not None  # noqa: S101 - what is fingerprinted has one
        [peaks] = self._index.peaks([Stretch(other.number, 0, 2**31 - 1)])
        return Fingerprint(peaks, other.duration_seconds or 0.0)

    def _seconds(self, recording: Recording) -> float:
        return self._fingerprint.seconds if recording.id == self._recording.id else recording.duration_seconds or 0.0

    def _own_traits(self) -> Traits:
        return self._traits_of(self._recording)

    def _traits_of(self, recording: Recording) -> Traits:
        if recording.id not in self._traits:
            is_own = recording.id == self._recording.id
            self._traits[recording.id] = Traits(
                recording.id,
                recording.created_at or datetime.now(UTC),
                recording.published_at,
                self._fingerprint.quality if is_own else recording.quality,
                is_trusted=recording.channel_id in self._trusted,
                is_compilation=self._is_compilation(recording),
            )
        return self._traits[recording.id]

    def _is_compilation(self, recording: Recording) -> bool:
        seconds = self._seconds(recording)
        onward = self._onward(recording)
        if not seconds or len(onward) < 3:
            return False
        others = recordings.by_ids(self._database, [i for i in onward if i != self._recording.id])
        others[self._recording.id] = self._recording
        parts = [
            Common(
                i,
                others[i].original_video_id or i,
                tuple(onward[i]),
                self._seconds(others[i]),
            )
            for i in onward
            if i in others and i != recording.id
        ]
        return is_compilation(seconds, parts, self._coverage)


def common(database: Database, recording_id: UUID) -> Pieces:
    """Return where a recording lies in others, by the sure matches on record of both directions."""
    pieces: Pieces = defaultdict(list)
    for stored in matches.of(database, recording_id):
        if stored.decision is Decision.MATCH:
            pieces[stored.reference_id].append(piece_of(stored))
    forward = frozenset(pieces)
    for stored in matches.copies_of(database, recording_id):
        if stored.decision is Decision.MATCH and stored.video_id not in forward:
            pieces[stored.video_id] += invert([piece_of(stored)])
    return dict(pieces)
