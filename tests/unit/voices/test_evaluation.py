from __future__ import annotations

import numpy as np
import pytest

from sonicgen.errors import InputError
from sonicgen.voices.encoder import Calibration
from sonicgen.voices.evaluation import LabelledVoices, evaluate, pair_trials, profile_trials
from tests.unit.voices.people import CALIBRATION, voices_of

POOR = Calibration(10.0, -8.0)


def labelled(people: int, each: int, scatter: float = 0.75) -> LabelledVoices:
    rows = np.concatenate([voices_of(number, each, scatter) for number in range(people)])
    names = [f"person {number}" for number in range(people) for _ in range(each)]
    return LabelledVoices(names, rows, [10.0] * len(names))


def test_people_who_are_easy_to_tell_apart() -> None:
    found = evaluate(labelled(10, 6), POOR)
    assert (found.people, found.files) == (10, 60)
    assert (len(found.pairs.targets), len(found.pairs.impostors)) == (10 * 15, 60 * 59 // 2 - 150)
    assert found.equal_error == 0.0
    assert found.least_cost == 0.0
    assert found.fitted is not None
    assert found.held_out is not None
    assert found.profiles.cost(found.fitted) < 0.02 < found.profiles.cost(found.own)
    assert found.held_out < 0.05
    assert found.profiles.error(found.fitted) < found.profiles.error(POOR)
    assert found.own_set is not None
    assert found.fitted_set is not None
    assert (found.fitted_set.top_one, found.fitted_set.misses, found.fitted_set.wrong) == (1.0, 0.0, 0.0)
    assert found.fitted_set.named > 0.99 > 0.01 > found.fitted_set.strangers_named
    assert found.own_set.named < 0.5  # that calibration is never sure


def test_people_who_are_hard_to_tell_apart() -> None:
    found = evaluate(labelled(10, 6, scatter=4.0), CALIBRATION)
    assert 0.1 < found.equal_error < 0.5
    assert found.least_cost > 0.5
    assert found.fitted_set is not None
    assert found.fitted_set.misses > 0.2
    # Sure of nobody is better than wrong.
    assert found.fitted_set.wrong < 0.1


def test_the_same_voices_give_the_same_figures() -> None:
    first, second = (evaluate(labelled(6, 4, scatter=2.0), CALIBRATION) for _ in range(2))
    assert (first.fitted, first.own_set, first.held_out) == (second.fitted, second.own_set, second.held_out)


def test_a_profile_never_rests_on_the_recording_it_is_compared_with() -> None:
    voices = labelled(3, 2)
    trials = profile_trials(voices, np.random.default_rng(1))
    assert trials.targets.max() < 0.999
    # With two recordings a profile is the other one: the very cosines of the pairs, both ways.
    assert np.unique(trials.targets.round(5)) == pytest.approx(np.sort(pair_trials(voices).targets.round(5)), abs=1e-4)


def test_few_people_are_evaluated_without_a_fit() -> None:
    found = evaluate(labelled(2, 2), CALIBRATION)
    assert (found.fitted, found.fitted_set, found.held_out) == (None, None, None)
    assert found.own_set is not None


@pytest.mark.parametrize(("people", "each"), [(1, 9), (9, 1)])
def test_refuses_what_nothing_can_be_compared_in(people: int, each: int) -> None:
    with pytest.raises(InputError, match="two people with two recordings"):
        evaluate(labelled(people, each), CALIBRATION)
