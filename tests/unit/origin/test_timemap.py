"""Maps between recordings, turned around and chained."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonicgen.origin.timemap import Piece, compose, here_seconds, invert, locate, there_seconds

TIMES = st.floats(0, 1000, allow_nan=False, width=32)


@st.composite
def pieces(draw: st.DrawFn) -> Piece:
    here, there = draw(TIMES), draw(TIMES)
    seconds, speed = draw(st.floats(2, 500)), draw(st.floats(0.8, 1.25))
    return Piece((here, here + seconds), (there, there + seconds * speed), speed)


@given(pieces(), st.floats(0, 1))
def test_there_and_back_is_where_it_was(piece: Piece, share: float) -> None:
    seconds = piece.here[0] + share * (piece.here[1] - piece.here[0])
    assert invert([piece])[0].at(piece.at(seconds)) == pytest.approx(seconds, abs=1e-6)


@given(pieces(), pieces(), st.floats(0, 1))
def test_a_chain_leads_where_its_links_do(first: Piece, second: Piece, share: float) -> None:
    for chained in compose([first], [second]):
        seconds = chained.here[0] + share * (chained.here[1] - chained.here[0])
        assert chained.at(seconds) == pytest.approx(second.at(first.at(seconds)), abs=1e-6)
        assert first.here[0] - 1e-6 <= chained.here[0] < chained.here[1] <= first.here[1] + 1e-6
        assert chained.speed == pytest.approx(first.speed * second.speed)


def test_a_chain_is_no_surer_than_its_weaker_link() -> None:
    sure = Piece((0, 10), (0, 10), score=900, probability=1.0, log10_chance=-40)
    weak = Piece((0, 10), (5, 15), score=40, probability=0.99, log10_chance=-2)
    [chained] = compose([sure], [weak])
    assert (chained.score, chained.probability, chained.log10_chance) == (40, 0.99, -2)


def test_an_inserted_advertisement_leaves_two_pieces() -> None:
    edition = [Piece((0, 20), (0, 20)), Piece((24, 54), (20, 50))]
    excerpt = [Piece((0, 20), (10, 30))]  # of the edition: ten seconds before the advert, four of it, six after
    chained = compose(excerpt, edition)
    assert [piece.here for piece in chained] == [(0, 10), (14, 20)]
    assert [piece.there for piece in chained] == [(10, 20), (20, 26)]
    assert here_seconds(chained) == there_seconds(chained) == 16
    assert locate(chained, 5) == 15
    assert locate(chained, 12) is None
    assert locate(chained, 15) == 21


def test_a_likeness_in_a_chain_is_left_out() -> None:
    verse = [Piece((0, 30), (0, 30)), Piece((8, 12), (22, 26))]
    assert compose([Piece((0, 30), (0, 30))], verse) == compose([Piece((0, 30), (0, 30))], verse[:1])


def test_seams_are_no_pieces() -> None:
    assert compose([Piece((0, 10), (0, 10))], [Piece((9.5, 20), (0, 10.5))]) == []


def test_what_continues_is_one_piece() -> None:
    whole = [Piece((0, 40), (0, 40))]
    with_seam = [Piece((0, 19.9), (10, 29.9), score=5), Piece((20, 40), (30.02, 50.02), score=6)]
    [joined] = compose(whole, with_seam)
    assert (joined.here, joined.there) == ((0, 40), (10, 50.02))
    jump = [Piece((0, 19.9), (10, 29.9)), Piece((20, 40), (33, 53))]
    assert len(compose(whole, jump)) == 2
