"""Vectors of known groups are told apart, few or very many."""

from __future__ import annotations

import time

import numpy as np
import pytest
from numpy.typing import NDArray

from sonicgen.voices.clusters import Likeness, VoiceCount, cluster, unit

ALIKE = Likeness(merge_above=0.5, split_below=0.3)


def groups_of(count: int, each: int, spread: float, seed: int = 1) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return vectors around `count` random directions in turns of five, and which is whose."""
    random = np.random.default_rng(seed)
    centres = unit(random.standard_normal((count, 32)))
    truth = np.repeat(np.arange(count * each // 5) % count, 5)
    return unit(centres[truth] + spread * random.standard_normal((len(truth), 32)) / np.sqrt(32)), truth


def purity(found: NDArray[np.intp], truth: NDArray[np.intp]) -> float:
    table = np.zeros((int(found.max()) + 1, int(truth.max()) + 1))
    np.add.at(table, (found, truth), 1)
    return float(table.max(axis=1).sum() / len(truth))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_the_number_of_groups_is_found(count: int) -> None:
    rows, truth = groups_of(count, 40, 0.6)
    found = cluster(rows, VoiceCount(), ALIKE, smallest=3)
    assert int(found.max()) + 1 == count
    assert purity(found, truth) > 0.99


def test_bounds_are_kept() -> None:
    rows, _ = groups_of(4, 40, 0.6)
    assert int(cluster(rows, VoiceCount(2, 2), ALIKE, 3).max()) + 1 == 2
    assert int(cluster(rows, VoiceCount(1, 3), ALIKE, 3).max()) + 1 <= 3
    one, _ = groups_of(1, 60, 0.6)
    assert int(cluster(one, VoiceCount(2, 12), ALIKE, 3).max()) + 1 >= 2


def test_a_group_that_is_too_small_is_absorbed() -> None:
    rows, _ = groups_of(2, 40, 0.3)
    stray = unit(np.random.default_rng(9).standard_normal((2, 32)))
    found = cluster(np.vstack((rows, stray)), VoiceCount(), ALIKE, 3)
    assert int(found.max()) + 1 == 2


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_hardly_anything_is_one_group(rows: int) -> None:
    vectors, _ = groups_of(1, 5, 0.5)
    assert cluster(vectors[:rows], VoiceCount(), ALIKE, 3).tolist() == [0] * rows


def test_hours_stay_affordable() -> None:
    rows, truth = groups_of(3, 2_000, 0.6)  # over an hour of windows
    began = time.process_time()
    found = cluster(rows, VoiceCount(), ALIKE, 3)
    assert time.process_time() - began < 8
    assert int(found.max()) + 1 == 3
    assert purity(found, truth) > 0.98


def test_the_same_vectors_give_the_same_groups() -> None:
    rows, _ = groups_of(5, 60, 1.0)
    first = cluster(rows, VoiceCount(), ALIKE, 3)
    assert first.tolist() == cluster(rows, VoiceCount(), ALIKE, 3).tolist()


def test_a_group_that_agrees_too_little_is_split() -> None:
    """Whatever the eigengap says: where nothing stands out between many voices, it says one."""
    rows, truth = groups_of(10, 100, 1.0)
    found = cluster(rows, VoiceCount(), ALIKE, 3)
    assert int(found.max()) + 1 >= 8
    assert purity(found, truth) > 0.8
    assert int(cluster(rows, VoiceCount(1, 1), ALIKE, 3).max()) == 0, "but not against the caller's word"
