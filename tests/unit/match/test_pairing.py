from __future__ import annotations

import numpy as np

from sonicgen.match.pairing import APART, CLOSE, EXACT, grade_peaks, pair_peaks


def test_pairs_are_one_to_one_and_the_nearest() -> None:
    pairs = pair_peaks(
        np.array([10, 10, 20], np.int32),
        np.array([50.0, 51.0, 80.0], np.float32),
        np.array([10.0, 10.4, 20.0]),
        np.array([51.0, 50.9, 90.0]),
        2.0,
        1.5,
    )
    assert pairs.tolist() == [1, 0, -1]


def test_a_peak_is_exact_close_or_apart() -> None:
    grades = grade_peaks(
        np.array([10, 30, 50, 70], np.int32),
        np.array([40.0, 40.0, 40.0, 40.0], np.float32),
        np.array([10.4, 31.3, 50.0, 70.0]),
        np.array([40.2, 40.0, 40.9, 44.0]),
    )
    assert grades.tolist() == [EXACT, CLOSE, CLOSE, APART]
