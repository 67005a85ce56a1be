from __future__ import annotations

import math

import numpy as np
import pytest

from sonicgen.domain.match import Decision
from sonicgen.match.chance import CREDIT_LOG10, decide, log10_expected, log10_tail, probability


@pytest.mark.parametrize(("matched", "tried", "rate"), [(30, 100, 0.1), (12, 20, 0.2), (50, 50, 0.3), (400, 1000, 0.3)])
def test_the_bound_is_above_the_true_tail_and_near_it(matched: int, tried: int, rate: float) -> None:
    tail = sum(math.comb(tried, k) * rate**k * (1 - rate) ** (tried - k) for k in range(matched, tried + 1))
    assert math.log10(tail) <= log10_tail(matched, tried, rate) + 1e-9
    assert log10_tail(matched, tried, rate) < math.log10(tail) + 2.5


def test_no_better_than_expected_is_no_evidence() -> None:
    assert log10_tail(10, 100, 0.1) == 0.0
    assert log10_tail(0, 0, 0.1) == 0.0


def test_more_places_tried_make_an_accident_likelier() -> None:
    few, many = log10_expected(30, 100, 0.1, 1e3), log10_expected(30, 100, 0.1, 1e6)
    assert many - few == pytest.approx(3.0)


def test_decisions_follow_the_rate() -> None:
    assert decide(-3.1, 1e-3) is Decision.MATCH
    assert decide(-2.9, 1e-3) is Decision.UNSURE
    assert decide(-2.9, 1e-2) is Decision.MATCH
    assert decide(0.1, 1e-3) is None


def test_probability_falls_with_chance() -> None:
    values = [probability(x) for x in (-300.0, -3.0, 0.0, 3.0, 400.0)]
    assert values == sorted(values, reverse=True)
    assert values[1] == pytest.approx(0.999, abs=1e-4)
    assert values[2] == pytest.approx(0.5)
    assert np.isfinite(values).all()


def test_the_credit_stays_below_what_was_measured() -> None:
    assert CREDIT_LOG10 <= 2.0
