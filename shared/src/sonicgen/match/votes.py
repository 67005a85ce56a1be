"""Votes: which (recording, offset) the landmarks of a query agree on, under several guesses at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sonicgen.match.index import Candidate, Index, Postings

BIN_FRAMES = 8  # 0.19 s: wide enough for the drift of a clip whose tempo is half a grid step off
MOST_QUESTIONS = 128
_BIN_BITS = 3
_FRAME_BITS = 24
_OFFSET_BITS = _FRAME_BITS + 1  # a recording's place: its number, then the offset + 2^24
_QUESTION_BITS = 7
_KEY_BITS = _FRAME_BITS + _QUESTION_BITS


@dataclass(frozen=True, slots=True)
class Question:
    """The landmarks of a query under one guess: keys and the frames of their anchors, 0 <= frame < 2^24."""

    keys: NDArray[np.int32]
    frames: NDArray[np.int32]


def find_candidates(index: Index, questions: Sequence[Question], limit: int) -> list[list[Candidate]]:
    """Return for each question the best-supported (recording, offset) pairs, most votes first, at most `limit`.

    The index is asked once, each key once: neighbouring guesses share half of theirs. A landmark votes for its
    posting's recording and the bin of 8 frames that holds the offset, once for a bin. The true offset may straddle two
    bins, so a bin counts the next one too; of two pairs that overlap only the better is returned.
    """
    if len(questions) > MOST_QUESTIONS:
        raise ValueError(f"At most {MOST_QUESTIONS} questions can be asked at once.")
    packed = [
        question.keys.astype(np.int64) << _KEY_BITS | (i << _FRAME_BITS) | question.frames
        for i, question in enumerate(questions)
    ]
    landmarks = np.sort(np.concatenate(packed)) if packed else np.empty(0, np.int64)
    if not len(landmarks):
        return [[] for _ in questions]
    landmarks = landmarks[np.concatenate(([True], landmarks[1:] != landmarks[:-1]))]  # np.unique: five times slower
    all_keys = (landmarks >> _KEY_BITS).astype(np.int32)
    is_first = np.concatenate(([True], all_keys[1:] != all_keys[:-1]))
    found = index.postings(all_keys[is_first])
    which = np.cumsum(is_first) - 1
    offsets, ends = _collect(landmarks, which, found.counts, found.recordings, found.frames, len(questions))
    starts = np.concatenate(([0], ends[:-1]))
    return [_rank(np.sort(offsets[start:end]), limit) for start, end in zip(starts, ends, strict=True)]


@njit(cache=True, nogil=True)
def _collect(
    landmarks: NDArray[np.int64],
    which: NDArray[np.int64],
    counts: NDArray[np.int64],
    recordings: NDArray[np.int64],
    frames: NDArray[np.int32],
    questions: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the votes (recording << 25 | offset + 2^24), those of a question together, and where each one's end."""
    firsts = np.cumsum(counts) - counts
    totals = np.zeros(questions, np.int64)
    for i in range(len(landmarks)):
        totals[(landmarks[i] >> _FRAME_BITS) & (MOST_QUESTIONS - 1)] += counts[which[i]]
    ends = np.cumsum(totals) - totals
    votes = np.empty(totals.sum(), np.int64)
    starts = ends.copy()
    for i in range(len(landmarks)):
        question = (landmarks[i] >> _FRAME_BITS) & (MOST_QUESTIONS - 1)
        frame = landmarks[i] & ((1 << _FRAME_BITS) - 1)
        first = firsts[which[i]]
        before = np.int64(-1)
        for j in range(first, first + counts[which[i]]):
            vote = (recordings[j] << _OFFSET_BITS) + frames[j] - frame + (1 << _FRAME_BITS)
            if vote >> _BIN_BITS != before:
                before = vote >> _BIN_BITS
                votes[ends[question]] = vote
                ends[question] += 1
    # Votes that were left out leave gaps: close them.
    n = 0
    for question in range(questions):
        for j in range(starts[question], ends[question]):
            votes[n] = votes[j]
            n += 1
        ends[question] = n
    return votes[:n], ends


@njit(cache=True, nogil=True)
def _count(votes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the places of sorted votes (recording and bin), how many each has, and the sum of their offsets."""
    places = np.empty(len(votes), np.int64)
    counts = np.zeros(len(votes), np.int64)
    sums = np.zeros(len(votes), np.int64)
    n = -1
    for vote in votes:
        place = vote >> _BIN_BITS
        if n < 0 or places[n] != place:
            n += 1
            places[n] = place
        counts[n] += 1
        sums[n] += vote & ((1 << _OFFSET_BITS) - 1)
    return places[: n + 1], counts[: n + 1], sums[: n + 1]


def _rank(votes: NDArray[np.int64], limit: int) -> list[Candidate]:
    if not len(votes):
        return []
    places, counts, sums = _count(votes)
    followed = np.diff(places) == 1
    paired, paired_sums = counts.copy(), sums.copy()
    paired[:-1] += counts[1:] * followed
    paired_sums[:-1] += sums[1:] * followed
    beaten = np.zeros(len(places), np.bool_)
    beaten[1:] |= followed & (paired[:-1] >= paired[1:])
    beaten[:-1] |= followed & (paired[1:] > paired[:-1])
    left = np.nonzero(~beaten)[0]
    best = left[np.argsort(-paired[left], kind="stable")[:limit]]
    offsets = np.rint(paired_sums[best] / paired[best]).astype(np.int64) - (1 << _FRAME_BITS)
    recordings = places[best] >> (_OFFSET_BITS - _BIN_BITS)
    return [
        Candidate(int(recording), int(offset), int(count))
        for recording, offset, count in zip(recordings, offsets, paired[best], strict=True)
    ]


def no_postings(keys: int) -> Postings:
    """Return what an index returns for keys of which it holds none."""
    return Postings(np.zeros(keys, np.int64), np.empty(0, np.int64), np.empty(0, np.int32))
