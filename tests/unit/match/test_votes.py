from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from sonicgen.match.index import Candidate, Postings, Stretch
from sonicgen.match.votes import MOST_QUESTIONS, Question, find_candidates
from sonicgen.sound.peaks import Peaks, no_peaks

Row = tuple[int, int, int]  # key, recording, frame


class ListIndex:
    """The plainest index there is."""

    def __init__(self, *rows: Row) -> None:
        self.rows = sorted(set(rows))
        self.asked: list[list[int]] = []

    def postings(self, keys: NDArray[np.int32]) -> Postings:
        self.asked.append(keys.tolist())
        found = [[row for row in self.rows if row[0] == key] for key in keys.tolist()]
        flat = [row for rows in found for row in rows]
        return Postings(
            np.array([len(rows) for rows in found], np.int64),
            np.array([row[1] for row in flat], np.int64),
            np.array([row[2] for row in flat], np.int32),
        )

    def peaks(self, stretches: Sequence[Stretch]) -> list[Peaks]:
        return [no_peaks() for _ in stretches]

    def indexed_seconds(self) -> float:
        return 1.0


def ints(*values: int) -> NDArray[np.int32]:
    return np.array(values, np.int32)


def ask(index: ListIndex, keys: NDArray[np.int32], frames: NDArray[np.int32], limit: int = 10) -> list[Candidate]:
    (found,) = find_candidates(index, [Question(keys, frames)], limit)
    return found


@pytest.mark.parametrize("offset", [0, 3, 7, -5, -8, -90, 100_000])
def test_an_offset_that_straddles_two_bins_keeps_its_votes(offset: int) -> None:
    frames = np.arange(60, dtype=np.int32) * 10 + 200
    jitter = np.tile(ints(-1, 0, 1), 20)
    index = ListIndex(*((i, 5, int(frames[i] + offset + jitter[i])) for i in range(60)))
    (found,) = ask(index, np.arange(60, dtype=np.int32), frames)
    assert (found.recording, found.votes) == (5, 60)
    assert abs(found.delta_frames - offset) <= 1


def test_a_landmark_votes_once_for_a_bin() -> None:
    index = ListIndex((1, 3, 80), (1, 3, 81), (1, 3, 82), (2, 3, 83))
    assert ask(index, ints(1, 1), ints(0, 0)) == [Candidate(3, 80, 1)]
    assert [found.votes for found in ask(index, ints(1, 2), ints(0, 0))] == [2]


def test_each_guess_has_its_own_answer_and_each_key_is_asked_once() -> None:
    index = ListIndex((1, 3, 10), (2, 3, 20), (2, 4, 50), (-7, 4, 60))
    questions = [
        Question(ints(2, 1), ints(20, 10)),
        Question(ints(), ints()),
        Question(ints(2, -7), ints(0, 10)),
        Question(ints(9), ints(0)),
    ]
    first, empty, second, nowhere = find_candidates(index, questions, 10)
    assert index.asked == [[-7, 1, 2, 9]]
    assert first == [Candidate(3, 0, 2), Candidate(4, 30, 1)]
    assert second == [Candidate(4, 50, 2), Candidate(3, 20, 1)]
    assert empty == nowhere == []


def test_votes_are_counted_as_the_plain_way_counts_them() -> None:
    rng = np.random.default_rng(3)
    rows = [(int(k), int(r), int(f)) for k, r, f in rng.integers(0, [60, 4, 600], (2000, 3))]
    index = ListIndex(*rows)
    keys, frames = rng.integers(0, 60, 80).astype(np.int32), rng.integers(0, 200, 80).astype(np.int32)
    votes: Counter[tuple[int, int]] = Counter()
    for key, frame in set(zip(keys.tolist(), frames.tolist(), strict=True)):
        votes.update({(r, (f - frame) // 8) for k, r, f in index.rows if k == key})
    pairs = {place: count + votes[place[0], place[1] + 1] for place, count in votes.items()}
    best = sorted(
        (
            (count, recording)
            for (recording, place), count in pairs.items()
            if pairs.get((recording, place - 1), -1) < count and pairs.get((recording, place + 1), -1) <= count
        ),
        reverse=True,
    )
    found = ask(index, keys, frames, limit=len(pairs))
    assert sorted(((c.votes, c.recording) for c in found), reverse=True) == best
    assert ask(index, keys, frames, limit=7) == found[:7]


def test_recordings_with_large_numbers_are_told_apart() -> None:
    far = (1 << 38) - 1
    index = ListIndex((1, far, (1 << 24) - 1), (2, far, (1 << 24) - 1), (1, far - 1, 0))
    assert ask(index, ints(1, 2), ints(0, 0)) == [Candidate(far, (1 << 24) - 1, 2), Candidate(far - 1, 0, 1)]


def test_nothing_is_asked_for_nothing() -> None:
    index = ListIndex((1, 1, 1))
    assert find_candidates(index, [], 5) == []
    assert ask(index, ints(), ints()) == []
    assert index.asked == []
    with pytest.raises(ValueError, match="At most 128"):
        find_candidates(index, [Question(ints(), ints())] * (MOST_QUESTIONS + 1), 5)
