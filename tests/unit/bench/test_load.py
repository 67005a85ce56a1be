"""How a load run is judged, and that its recordings are what they are said to be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.load.charts import draw, over_time
from bench.load.judge import judge_growth
from bench.load.sounds import compose, make_day

SECONDS = np.arange(0, 900, 10.0)


@pytest.mark.parametrize(
    ("sizes", "is_endless"),
    [
        (np.full(len(SECONDS), 200.0), False),
        (200 + 100 * (1 - np.exp(-SECONDS / 60)), False),
        (200 + 8 * np.sin(SECONDS / 40), False),
        (200 + SECONDS * 0.1, True),
        (200 + np.sqrt(SECONDS) * 8, True),
    ],
    ids=["level", "fills a cache", "breathes", "leaks", "leaks ever slower"],
)
def test_growth_that_does_not_end_is_told_from_what_fills_up(sizes: np.ndarray, is_endless: bool) -> None:
    noise = np.random.default_rng(1).normal(0, 1, len(sizes))
    assert judge_growth(SECONDS.tolist(), (sizes + noise).tolist()).is_endless is is_endless


def test_too_few_measurements_are_no_fit() -> None:
    with pytest.raises(ValueError, match="four"):
        judge_growth([0, 1, 2, 3], [1, 1, 1, 1])


def test_a_day_is_the_same_whether_its_files_are_there_or_not(tmp_path: Path) -> None:
    first = make_day(tmp_path, 6, 0, 60.0)
    assert make_day(tmp_path, 6, 0, 60.0) == first
    assert [item.arrives for item in first] == sorted(item.arrives for item in first)
    assert all(item.path.exists() and (item.clip is None or item.clip.exists()) for item in first)


def test_no_two_seeds_make_the_same_sound() -> None:
    one, two = compose(1, 2.0), compose(2, 2.0)
    assert abs(float(np.corrcoef(one, two)[0, 1])) < 0.1


def test_a_chart_is_an_svg_and_the_same_twice(tmp_path: Path) -> None:
    lines = {"p99": over_time([1.0, 2.0, 700.0], [3.0, 5.0, 4.0], 0.99)}
    for name in ("a.svg", "b.svg"):
        draw(tmp_path / name, "a title", "seconds", lines)
    assert (tmp_path / "a.svg").read_text().startswith("<?xml")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
