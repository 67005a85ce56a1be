"""Compilations, and the best source of a copy."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from sonicgen.origin.evidence import Traits
from sonicgen.origin.succession import Common, Option, choose_source, is_compilation, reachable
from sonicgen.origin.timemap import Piece, invert

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def part(number: int, start: float, end: float, other_seconds: float = 600, family: int | None = None) -> Common:
    """Return that a stretch lies in another recording, from its hundredth second on."""
    other = UUID(int=number)
    return Common(
        other,
        other if family is None else UUID(int=family),
        (Piece((start, end), (100, 100 + end - start)),),
        other_seconds,
    )


def test_three_sources_one_after_the_other_are_a_compilation() -> None:
    assert is_compilation(60, [part(1, 0, 20), part(2, 20, 40), part(3, 40, 60)], 0.9)


def test_two_sources_may_be_two_quotations() -> None:
    assert not is_compilation(60, [part(1, 0, 30), part(2, 30, 60)], 0.9)


def test_what_others_quote_is_no_compilation() -> None:
    overlapping = [part(1, 0, 25), part(2, 10, 35), part(3, 28, 60)]
    with_gaps = [part(1, 0, 10), part(2, 20, 30), part(3, 50, 60)]
    assert not is_compilation(60, overlapping, 0.9)
    assert not is_compilation(60, with_gaps, 0.9)


def test_excerpts_and_copies_are_no_sources() -> None:
    excerpts = [part(n, 20 * n, 20 * n + 20, other_seconds=20) for n in range(3)]
    assert not is_compilation(60, excerpts, 0.9)


def test_several_copies_of_one_recording_are_one_source() -> None:
    assert not is_compilation(60, [part(1, 0, 20), part(2, 20, 40, family=1), part(3, 40, 60, family=1)], 0.9)


def test_what_quotes_the_same_sources_is_no_source() -> None:
    sources = [part(1, 0, 20), part(2, 20, 40), part(3, 40, 60)]
    other = Common(UUID(int=4), UUID(int=4), (*part(4, 3, 19).pieces, *part(4, 22, 39.5).pieces), 600)
    assert is_compilation(60, [other, *sources], 0.9)
    quoted = [part(1, 0, 25), part(2, 10, 35), part(3, 28, 60), part(4, 12, 30)]
    assert not is_compilation(60, quoted, 0.9)


def test_jingles_make_no_compilation() -> None:
    jingles = [part(n, 2 * n, 2 * n + 1.9) for n in range(5)]
    assert not is_compilation(600, jingles, 0.9)


def option(number: int, seconds: float, copy_seconds: float = 20) -> Option:
    pieces = (Piece((0, copy_seconds), (0, copy_seconds)),)
    return Option(Traits(UUID(int=number), NOW), pieces, seconds, copy_seconds)


def test_the_source_does_not_depend_on_the_order_of_the_options() -> None:
    copy = Traits(UUID(int=9), NOW)
    options = [option(1, 20), option(2, 60), option(3, 30), option(4, 60)]
    chosen = {choose_source(copy, list(order))[0].traits.id for order in itertools.permutations(options)}  # type: ignore[index]
    assert len(chosen) == 1
    assert chosen <= {UUID(int=2), UUID(int=4)}


def test_what_is_itself_the_source_has_none() -> None:
    copy = Traits(UUID(int=9), NOW)
    compilation = replace(option(1, 60), traits=Traits(UUID(int=1), NOW, is_compilation=True))
    assert choose_source(copy, [compilation]) is None
    assert choose_source(copy, []) is None


def test_a_faster_copy_is_as_long_as_it_would_be() -> None:
    faster = Option(Traits(UUID(int=1), NOW), (Piece((0, 48), (0, 60), 1.25),), 60, 48)
    assert abs(faster.surplus - 1.0) < 1e-9


def test_what_is_inserted_is_counted_in_the_sources_time() -> None:
    traits = Traits(UUID(int=1), NOW)
    advert = (Piece((0, 20), (0, 20)), Piece((25, 50), (20, 45)))
    assert Option(traits, advert, 45, 50).inserted_seconds == pytest.approx(5)
    assert Option(traits, tuple(invert(advert)), 50, 45).inserted_seconds == pytest.approx(-5)
    unheard = (Piece((0, 16), (0, 20), 1.25), Piece((24, 40), (30, 50), 1.25))
    assert Option(traits, unheard, 50, 40).inserted_seconds == pytest.approx(0)


def test_only_what_holds_most_of_a_copy_is_reachable() -> None:
    copy = [Piece((0, 20), (30, 50))]
    onward = {
        UUID(int=1): [Piece((25, 60), (0, 35))],
        UUID(int=2): [Piece((25, 40), (0, 15))],
        UUID(int=3): [Piece((25, 40), (0, 15)), Piece((40, 60), (15, 35))],
    }
    found = reachable(copy, onward, 0.9)
    assert set(found) == {UUID(int=1), UUID(int=3)}
    assert found[UUID(int=1)][0].there == (5, 25)


def test_a_loop_is_not_the_source_of_a_longer_one() -> None:
    again_and_again = tuple(Piece((10 * n, 10 * n + 10), (5, 15)) for n in range(5))
    loop = Option(Traits(UUID(int=1), NOW), again_and_again, 60, 50)
    assert choose_source(Traits(UUID(int=9), NOW), [loop]) is None
    once = Option(Traits(UUID(int=1), NOW), (Piece((0, 50), (5, 55)),), 60, 50)
    assert choose_source(Traits(UUID(int=9), NOW), [once]) is not None
