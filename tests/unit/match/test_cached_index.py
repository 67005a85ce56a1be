from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sonicgen.match.cached_index import CachedIndex
from sonicgen.match.index import Stretch
from tests.unit.match.test_votes import ListIndex

ROWS = st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 3), st.integers(0, 50)), max_size=40)
QUESTIONS = st.lists(st.sets(st.integers(-12, 12)), max_size=6)


@given(ROWS, QUESTIONS)
def test_answers_as_the_index_does_and_asks_each_key_once(
    rows: list[tuple[int, int, int]], questions: list[set[int]]
) -> None:
    index, plain = ListIndex(*rows), ListIndex(*rows)
    cached = CachedIndex(index)
    for question in questions:
        keys = np.array(sorted(question), np.int32)
        got, want = cached.postings(keys), plain.postings(keys)
        assert got.counts.tolist() == want.counts.tolist()
        assert got.recordings.tolist() == want.recordings.tolist()
        assert got.frames.tolist() == want.frames.tolist()
    asked = [key for call in index.asked for key in call]
    assert len(asked) == len(set(asked)) == cached.asked


def test_forgets_when_told() -> None:
    index = ListIndex((1, 2, 3))
    cached = CachedIndex(index)
    keys = np.array([1], np.int32)
    for _ in range(2):
        assert cached.postings(keys).counts.tolist() == [1]
    cached.forget()
    assert cached.postings(keys).counts.tolist() == [1]
    assert index.asked == [[1], [1]]


def test_passes_on_the_rest() -> None:
    cached = CachedIndex(ListIndex())
    assert len(cached.peaks([Stretch(0, 0, 9)])) == 1
    assert cached.indexed_seconds() == 1.0
