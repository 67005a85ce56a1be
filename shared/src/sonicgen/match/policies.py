"""The two rules that earlier versions decided by, beside the one that is in use (`sonicgen.match.chance`).

Version 1: at least 10 % of the sampled landmarks agree on one offset of the best recording. Version 2: at least 18
agree and at least 40 % of those that are not noisy. Both look at one recording and one offset only, and neither knows
how often chance does as well; docs/fingerprint.md shows what that costs. They are kept for those who compare, or who
have to go on as before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from sonicgen.match.index import Candidate, Index

# Version 1 called everything below "too short": at its 40 landmarks a second 248 s, at our 65 a second 154 s.
FEWEST_LANDMARKS_V1 = 10_000
SHARE_V1 = 0.10
FEWEST_ALIGNED_V2 = 18
SHARE_V2 = 0.40
SAME_OFFSET_FRAMES = 1
# Below this many landmarks all of them are asked for.
FEWEST_SAMPLED = 1_000
# How many (recording, offset) pairs are looked at, as in version 1.
CANDIDATES = 50
_OFFSET_BITS = 26


class MatchPolicy(StrEnum):
    """Which rule decides whether something is a match."""

    CHANCE = "chance"
    V1 = "v1"
    V2 = "v2"


class Refusal(StrEnum):
    """Why a rule says no."""

    TOO_SHORT = "too_short"
    NO_CANDIDATE = "no_candidate"
    TOO_FEW = "too_few"


@dataclass(frozen=True, slots=True)
class Landmarks:
    """What a rule asks the index for: `keys` and `frames`, sampled from `total` landmarks of the query."""

    keys: NDArray[np.int32]
    frames: NDArray[np.int32]
    total: int


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a rule says of a query: it is from `recording`, or why it is from nowhere.

    `aligned` of the `asked` landmarks agree on the best recording's offset.
    """

    recording: int | None
    aligned: int
    asked: int
    refusal: Refusal | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether the rule takes the best recording for the source."""
        return self.refusal is None

    @property
    def share(self) -> float:
        """The aligned part of what was asked for, 0 to 1."""
        return self.aligned / self.asked if self.asked else 0.0


@dataclass(frozen=True, slots=True)
class _Anchor:
    """How a query with `total` landmarks was sampled: sections, landmarks in each, share of all."""

    total: int
    per_section: int
    coverage: float
    fewest_sections: int
    most_sections: int


# Version 1's table; between two rows everything is interpolated, beyond the last one nothing changes any more.
_ANCHORS = (
    _Anchor(1_000, 50, 0.25, 5, 25),
    _Anchor(5_000, 80, 0.20, 10, 30),
    _Anchor(15_000, 120, 0.15, 15, 40),
    _Anchor(50_000, 160, 0.075, 20, 50),
    _Anchor(100_000, 200, 0.05, 50, 50),
)


def plan_sections(total: int) -> tuple[int, int]:
    """Return (sections, landmarks in each) for a query with `total` landmarks, at least FEWEST_SAMPLED."""
    totals = [anchor.total for anchor in _ANCHORS]
    at = min(max(total, totals[0]), totals[-1])
    right = next(i for i in range(1, len(totals)) if at <= totals[i])
    low, high = _ANCHORS[right - 1], _ANCHORS[right]
    t = (at - low.total) / (high.total - low.total)
    per_section = round(low.per_section + math.sqrt(t) * (high.per_section - low.per_section))
    coverage = low.coverage + t * (high.coverage - low.coverage)
    fewest = round(low.fewest_sections + t * (high.fewest_sections - low.fewest_sections))
    most = round(low.most_sections + t * (high.most_sections - low.most_sections))
    return min(max(round(total * coverage / per_section), fewest), most), per_section


def sample(keys: NDArray[np.int32], frames: NDArray[np.int32]) -> Landmarks:
    """Return evenly spaced sections of a query's landmarks as one list, all of them when there are few.

    `keys` and `frames`, of equal length, in the order of time.
    """
    total = len(keys)
    if total < FEWEST_SAMPLED:
        return Landmarks(keys, frames, total)
    sections, per_section = plan_sections(total)
    starts = np.rint(np.linspace(0, total - per_section, sections)).astype(np.int64)
    chosen = np.unique(starts[:, None] + np.arange(per_section))
    return Landmarks(keys[chosen], frames[chosen], total)


def without_noisy(landmarks: Landmarks, noisy: NDArray[np.int32]) -> Landmarks:
    """Return the landmarks whose keys are not noisy (room tone, breathing: what is everywhere)."""
    kept = ~np.isin(landmarks.keys, noisy)
    return Landmarks(landmarks.keys[kept], landmarks.frames[kept], landmarks.total)


def count_offsets(landmarks: Landmarks, index: Index) -> list[Candidate]:
    """Return the (recording, offset) pairs that most landmarks agree on to the frame, most votes first."""
    keys, which = np.unique(landmarks.keys, return_inverse=True)
    found = index.postings(keys)
    firsts = np.cumsum(found.counts) - found.counts
    counts = found.counts[which]
    before = np.cumsum(counts) - counts
    places = np.repeat(firsts[which] - before, counts) + np.arange(counts.sum())
    offsets = found.frames[places].astype(np.int64) - np.repeat(landmarks.frames, counts)
    zero = 1 << (_OFFSET_BITS - 1)
    pairs, votes = np.unique(found.recordings[places] << _OFFSET_BITS | (offsets + zero), return_counts=True)
    return [
        Candidate(int(pairs[i] >> _OFFSET_BITS), int(pairs[i] & ((1 << _OFFSET_BITS) - 1)) - zero, int(votes[i]))
        for i in np.argsort(-votes, kind="stable")[:CANDIDATES]
    ]


def rule_v1(landmarks: Landmarks, candidates: Sequence[Candidate]) -> Ruling:
    """Return version 1's ruling: a match when 10 % align within ±1 frame of the best offset of the best recording."""
    if landmarks.total < FEWEST_LANDMARKS_V1:
        return Ruling(None, 0, len(landmarks.keys), Refusal.TOO_SHORT)
    return _best(landmarks, candidates, fewest=1, share=SHARE_V1)


def rule_v2(landmarks: Landmarks, candidates: Sequence[Candidate]) -> Ruling:
    """Return version 2's ruling: a match when 18 landmarks and 40 % of all align with the best recording."""
    return _best(landmarks, candidates, fewest=FEWEST_ALIGNED_V2, share=SHARE_V2)


def _best(landmarks: Landmarks, candidates: Sequence[Candidate], fewest: int, share: float) -> Ruling:
    asked = len(landmarks.keys)
    if not candidates:
        return Ruling(None, 0, asked, Refusal.NO_CANDIDATE)
    top = max(candidates, key=lambda candidate: candidate.votes)
    aligned = sum(
        candidate.votes
        for candidate in candidates
        if candidate.recording == top.recording and abs(candidate.delta_frames - top.delta_frames) <= SAME_OFFSET_FRAMES
    )
    enough = aligned >= fewest and aligned >= share * asked
    return Ruling(top.recording, aligned, asked, None if enough else Refusal.TOO_FEW)


def rule(
    policy: MatchPolicy,
    keys: NDArray[np.int32],
    frames: NDArray[np.int32],
    index: Index,
    noisy: NDArray[np.int32] | None = None,
) -> Ruling:
    """Return what an old rule says of a query with these landmarks (keys and frames, as the index keeps them).

    `noisy` are keys that version 2 leaves out. Raises ValueError for the policy by chance, which rules on each match.
    """
    landmarks = sample(keys, frames)
    if policy is MatchPolicy.V1:
        return rule_v1(landmarks, count_offsets(landmarks, index))
    if policy is MatchPolicy.V2:
        if noisy is not None:
            landmarks = without_noisy(landmarks, noisy)
        return rule_v2(landmarks, count_offsets(landmarks, index))
    raise ValueError("The policy by chance decides in sonicgen.match.search.")
