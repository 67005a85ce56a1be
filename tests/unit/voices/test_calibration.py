from __future__ import annotations

import math

import numpy as np
import pytest

from sonicgen.errors import InputError
from sonicgen.voices.calibration import (
    calibration_error,
    equal_error,
    error_curve,
    fit,
    least_cost,
    likelihood_cost,
    misses_at,
)
from sonicgen.voices.encoder import Calibration

START = Calibration(10.0, -3.0)


def test_rates_by_hand() -> None:
    targets, impostors = np.array([0.9, 0.8, 0.4, 0.7]), np.array([0.1, 0.5, 0.2, 0.3])
    curve = error_curve(targets, impostors)
    at = int(np.flatnonzero(curve.thresholds == 0.5)[0])
    assert (curve.misses[at], curve.false_alarms[at]) == (0.25, 0.25)
    assert equal_error(targets, impostors) == (0.25, 0.5)
    # Accepting nobody costs 1; from 0.7 on one of four is missed and no stranger accepted.
    assert least_cost(targets, impostors) == (0.25, 0.7)
    assert misses_at(targets, impostors, 0.0) == (0.25, 0.7)
    assert misses_at(targets, impostors, 0.24) == (0.25, 0.7)
    assert misses_at(targets, impostors, 0.25) == (0.0, 0.4)


def test_a_wrong_name_is_missed_at_any_rate() -> None:
    assert misses_at(np.array([1.0, -np.inf]), np.array([0.5]), 1.0) == (0.5, 0.5)


def test_scores_that_say_nothing() -> None:
    same = np.zeros(100)
    assert equal_error(same, same)[0] == 0.5
    assert least_cost(same, same)[0] == 1.0
    assert likelihood_cost(same, same) == 1.0
    with pytest.raises(InputError, match="both needed"):
        error_curve(same, np.array([]))


def test_equal_error_of_two_normal_distributions() -> None:
    generator = np.random.default_rng(1)
    targets, impostors = generator.normal(2, 1, 20_000), generator.normal(0, 1, 20_000)
    rate, threshold = equal_error(targets, impostors)
    assert rate == pytest.approx(0.5 * math.erfc(1 / math.sqrt(2)), abs=0.005)
    assert threshold == pytest.approx(1.0, abs=0.03)


def test_the_fit_finds_what_the_scores_were_made_with() -> None:
    # Normal scores of equal spread are exactly logistic: slope (m1 - m0) / s², offset at the middle.
    generator = np.random.default_rng(1)
    targets, impostors = generator.normal(0.6, 0.1, 4_000), generator.normal(0.1, 0.1, 40_000)
    found = fit(targets, impostors, START)
    assert found.slope == pytest.approx(50, rel=0.15)
    assert -found.offset / found.slope == pytest.approx(0.35, abs=0.01)
    ratios = [np.asarray(found.slope * side + found.offset) for side in (targets, impostors)]
    assert likelihood_cost(*ratios) < 0.05


def test_calibrated_probabilities_come_true() -> None:
    generator = np.random.default_rng(2)
    targets, impostors = generator.normal(0.4, 0.15, 20_000), generator.normal(0.1, 0.15, 20_000)
    found = fit(targets, impostors, START)
    scores = np.concatenate((targets, impostors))
    truth = np.concatenate((np.ones(20_000, bool), np.zeros(20_000, bool)))
    probabilities = np.array([found.probability(score) for score in scores])
    assert calibration_error(probabilities, truth) < 0.01
    assert calibration_error(np.minimum(1, probabilities + 0.2), truth) > 0.1


def test_few_voices_that_are_told_apart_perfectly_do_not_make_it_sure_of_everything() -> None:
    found = fit(np.linspace(0.6, 0.9, 12), np.linspace(-0.1, 0.2, 40), START)
    assert START.slope <= found.slope < 10 * START.slope
    assert 0.2 < -found.offset / found.slope < 0.6


def test_refuses_what_nothing_can_be_learnt_from() -> None:
    with pytest.raises(InputError, match="too few"):
        fit(np.ones(3), np.zeros(100), START)
    with pytest.raises(InputError, match="less like themselves"):
        fit(np.random.default_rng(1).normal(0, 0.1, 500), np.random.default_rng(2).normal(0.8, 0.1, 500), START)
