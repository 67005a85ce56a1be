"""What a recording has in common with others, settled pair by pair on their peaks.

The search of the index finds something for each stretch, not everything: where one copy explains a stretch, others may
go unreported, and which ones depends on the order in which an archive came. So the others are gone through one by one:
those that were found, and those that these are known to have sound in common with.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from sonicgen.domain.match import Decision, Match
from sonicgen.domain.recording import MatchStatus, Recording
from sonicgen.match.index import Index, Postings, Stretch
from sonicgen.match.pair import Track, settle_pair
from sonicgen.match.search import find_matches
from sonicgen.origin.ranges import total_seconds
from sonicgen.origin.timemap import Piece, compose, here_seconds
from sonicgen.sound.fingerprint import Fingerprint
from sonicgen.sound.packing import quantise_pitches
from sonicgen.sound.peaks import Peaks
from sonicgen.steps.origin_changes import match_of, piece_of
from sonicgen.steps.originals import common
from sonicgen.steps.search_index import PostgresIndex
from sonicgen.steps.search_versions import comparable
from sonicgen.store import recordings
from sonicgen.store.database import Database

# A pair is settled when one may hold this much of the other; jingles and intros are left to the search.
SETTLED_SHARE = 0.15
# Beyond what the search found so many are looked at, those first that most may be in common with.
MOST_FURTHER = 40
# The pair is searched for by itself when this much of the shorter one was found, but not all.
SEARCHED_FROM, SEARCHED_TO = 0.3, 0.97
MOST_SEARCHED_SECONDS = 7_200.0  # what two long recordings have in common shows in every one of their windows


class Relations:
    """Settles what one recording has in common with others; each pair once."""

    def __init__(self, database: Database, recording_id: UUID, fingerprint: Fingerprint, rate: float) -> None:
        self._database = database
        self._id = recording_id
        self._fingerprint = fingerprint
        self._rate = rate
        self._index = PostgresIndex(database)
        self._tracks: dict[int, Track] = {}
        self._settled: dict[int, list[Match]] = {}

    def settle(self, found: Sequence[Match]) -> list[Match]:
        """Return the matches with those of each pair that matters settled, and those of further pairs added."""
        by_number: dict[int, list[Match]] = defaultdict(list)
        for match in found:
            if match.decision is Decision.MATCH:
                by_number[match.recording].append(match)
        known = {n: r for n, r in recordings.by_numbers(self._database, set(by_number)).items() if r.id != self._id}
        suspected, further = self._suspect({n: by_number[n] for n in known}, known)
        settled = [match for match in found if match.decision is not Decision.MATCH]
        for number, other in {**known, **further}.items():
            if number not in self._settled:
                self._settled[number] = self._settle(other, suspected.get(number, [])) or by_number[number]
            settled += self._settled[number]
        return settled

    def _suspect(
        self, found: dict[int, list[Match]], known: dict[int, Recording]
    ) -> tuple[dict[int, list[Match]], dict[int, Recording]]:
        """Return the lines to verify, by number: what was found, and what follows from what is on record."""
        suspected: dict[int, list[Match]] = defaultdict(list)
        for number, some in found.items():
            suspected[number] += some
        chains: dict[UUID, list[Piece]] = defaultdict(list)
        for number, some in found.items():
            onward = common(self._database, known[number].id)
            onward.pop(self._id, None)
            pieces = [piece_of(match) for match in some]
            for other, further in onward.items():
                chains[other] += compose(pieces, further)
        numbers = {other.id: number for number, other in known.items()}
        longest = sorted((i for i in chains if i not in numbers), key=lambda i: (-here_seconds(chains[i]), i))
        others = recordings.by_ids(self._database, longest[:MOST_FURTHER])
        more = {r.number: r for r in others.values() if r.number is not None and _is_whole(r)}
        numbers |= {other.id: number for number, other in more.items()}
        for other_id, pieces in chains.items():
            if other_id in numbers:
                suspected[numbers[other_id]] += [match_of(piece, numbers[other_id]) for piece in pieces]
        return suspected, more

    def _settle(self, other: Recording, suspected: list[Match]) -> list[Match]:
        """Return what is in common with another recording; nothing when it does not matter or is not sure."""
        seconds = other.duration_seconds or 0.0
        if not suspected or not _is_whole(other) or not seconds or self._share(suspected, seconds) < SETTLED_SHARE:
            return []
        assert other.number is not None  # noqa: S101 - what is whole has one
        [peaks] = self._index.peaks([Stretch(other.number, 0, 2**31 - 1)])
        clip = comparable(self._fingerprint, other)
        own, track = self._own_track(clip), Track(peaks, seconds)
        settled = settle_pair(own, track, suspected, self._rate)
        share = self._share(settled, seconds)
        if SEARCHED_FROM <= share < SEARCHED_TO and self._fingerprint.seconds <= MOST_SEARCHED_SECONDS:
            alone = _Alone(self._index, other.number, seconds)
            more = find_matches(clip, alone, false_positive_rate=self._rate)
            lines = [*suspected, *(match for match in more if match.decision is Decision.MATCH)]
            settled = settle_pair(own, track, lines, self._rate)
        return settled

    def _own_track(self, clip: Fingerprint) -> Track:
        if clip.version not in self._tracks:
            peaks = clip.peaks
            kept = Peaks(peaks.frames, quantise_pitches(peaks.pitches), peaks.strengths[:0])  # as the others' are kept
            self._tracks[clip.version] = Track(kept, clip.seconds)
        return self._tracks[clip.version]

    def _share(self, matches: Sequence[Match], seconds: float) -> float:
        """Return which share of the shorter of both is in common."""
        if self._fingerprint.seconds <= seconds:
            held = total_seconds((m.query_start_seconds, m.query_end_seconds) for m in matches)
            return held / max(self._fingerprint.seconds, 1e-3)
        return total_seconds((m.reference_start_seconds, m.reference_end_seconds) for m in matches) / seconds


def _is_whole(other: Recording) -> bool:
    """Return whether all of a recording's peaks are kept; of a copy it is at most what is new in it."""
    return other.number is not None and other.match_status is MatchStatus.FINGERPRINTED


class _Alone:
    """An index as if it held one recording only."""

    def __init__(self, index: Index, number: int, seconds: float) -> None:
        self._index = index
        self._number = number
        self._seconds = seconds

    def postings(self, keys: NDArray[np.int32]) -> Postings:
        found = self._index.postings(keys)
        kept = found.recordings == self._number
        which = np.repeat(np.arange(len(keys)), found.counts)[kept]
        counts = np.bincount(which, minlength=len(keys)).astype(np.int64)
        return Postings(counts, found.recordings[kept], found.frames[kept])

    def peaks(self, stretches: Sequence[Stretch]) -> list[Peaks]:
        return self._index.peaks(stretches)

    def indexed_seconds(self) -> float:
        return self._seconds
