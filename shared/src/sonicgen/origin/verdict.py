"""What becomes of a recording: a copy of another, or something new."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sonicgen.domain.match import Decision, Match
from sonicgen.domain.recording import MatchStatus, Reason, Recording
from sonicgen.origin.ranges import Range, complement, subtract, union
from sonicgen.origin.shared import Held, find_shared

# Shorter novel stretches of a copy are the seams of its matches, not new material: matched ranges end within half a
# second of the truth, on both sides of a gap, and a spoken sentence takes longer than this.
MINIMUM_NOVEL_SECONDS = 5.0
# Of what is nobody else's, an original holds at least this share of its copy: whoever reaches the coverage by intros
# and advertisements that many recordings have is none.
MINIMUM_OWN_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard in a recording.

    `is_enough`: there is enough sound to recognise it by. `share` returns how much of its sound (0 to 1) lies within
    some ranges.
    """

    seconds: float
    is_enough: bool
    is_silent: bool
    is_truncated: bool
    share: Callable[[Sequence[Range]], float]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A final state and its reason; `indexed` are the stretches whose landmarks go into the index."""

    status: MatchStatus
    reason: Reason
    original: Recording | None
    indexed: list[Range]
    detail: str | None = None


# Of the recordings that hold another (number: share of its sound), the one that it is a copy of; None when it is none.
Choose = Callable[[Mapping[int, float]], int | None]


def most(shares: Mapping[int, float]) -> int | None:
    """Choose the recording that holds most, the earliest of equals."""
    return max(shares, key=lambda number: (shares[number], -number), default=None)


def judge(
    heard: Heard,
    matches: Sequence[Match],
    known: Mapping[int, Recording],
    duplicate_coverage: float,
    choose: Choose = most,
) -> Verdict:
    """Return a recording's verdict from what was heard and what it matched.

    It can be a copy when one single recording holds `duplicate_coverage` of its sound, and half of that part of it
    which is not shared with many (`sonicgen.origin.shared`); `choose` says whether it is, and whose. A copy's novel
    stretches are indexed all the same, so that nothing is ever lost to the index; whatever is not a copy is indexed
    whole, and its matches with others stay on record.
    """
    if not heard.is_enough:
        reason = Reason.SILENT if heard.is_silent else Reason.TOO_SHORT
        return Verdict(MatchStatus.TOO_SHORT, reason, None, [])
    ranges: dict[int, list[Range]] = defaultdict(list)
    for match in matches:
        if match.decision is Decision.MATCH:
            ranges[match.recording].append((match.query_start_seconds, match.query_end_seconds))
    shares = {number: heard.share(union(pieces)) for number, pieces in ranges.items()}
    shared = _shared(heard, matches, known)
    shares = {
        number: share
        for number, share in shares.items()
        if share >= duplicate_coverage and _holds_own(heard, ranges[number], shared)
    }
    best = choose(shares)
    if best is None:
        reason = Reason.TRUNCATED if heard.is_truncated else Reason.NEW
        return Verdict(MatchStatus.FINGERPRINTED, reason, None, [(0.0, heard.seconds)])
    everything = [piece for pieces in ranges.values() for piece in pieces]
    return Verdict(
        MatchStatus.MATCHED,
        Reason.DUPLICATE,
        known[best],
        complement(everything, heard.seconds, MINIMUM_NOVEL_SECONDS),
        f"{shares[best]:.0%} of its sound is in “{known[best].title}”.",
    )


def _shared(heard: Heard, matches: Sequence[Match], known: Mapping[int, Recording]) -> list[Range]:
    held = [
        Held(
            other.original_video_id or other.id,
            other.id,
            (match.query_start_seconds, match.query_end_seconds),
            (match.reference_start_seconds, match.reference_end_seconds),
            other.duration_seconds,
        )
        for match in matches
        if match.decision is Decision.MATCH
        and (other := known.get(match.recording)) is not None
        and other.duration_seconds is not None
    ]
    return [segment.range for segment in find_shared(heard.seconds, held)]


def _holds_own(heard: Heard, pieces: Sequence[Range], shared: Sequence[Range]) -> bool:
    """Return whether these stretches hold enough of the sound that is not shared."""
    if not shared:
        return True
    own = heard.share(complement(shared, heard.seconds))
    return own > 0.0 and heard.share(subtract(pieces, shared)) >= MINIMUM_OWN_SHARE * own
