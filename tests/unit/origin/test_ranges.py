"""Arithmetic on stretches of time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonicgen.origin.ranges import Range, complement, total_seconds, union

moments = st.integers(0, 100).map(float)
ranges = st.lists(st.tuples(moments, moments), max_size=8)


@pytest.mark.parametrize(
    ("given_ranges", "merged"),
    [
        ([], []),
        ([(3, 5), (0, 1)], [(0, 1), (3, 5)]),
        ([(0, 2), (1, 4), (4, 5)], [(0, 5)]),
        ([(2, 2), (5, 3)], []),
    ],
)
def test_union(given_ranges: list[Range], merged: list[Range]) -> None:
    assert union(given_ranges) == merged


def test_complement_leaves_out_short_pieces() -> None:
    assert complement([(2, 10), (11, 50)], 60, minimum_seconds=5) == [(50, 60)]
    assert complement([], 10) == [(0.0, 10)]
    assert complement([(0, 10)], 10) == []
    assert complement([(5, 99)], 10) == [(0.0, 5)]


@given(ranges)
def test_a_range_and_its_complement_fill_the_whole(pieces: list[Range]) -> None:
    rest = complement(pieces, 100.0)
    assert total_seconds(pieces) + total_seconds(rest) == pytest.approx(100.0)
    assert total_seconds([*pieces, *rest]) == pytest.approx(100.0)
