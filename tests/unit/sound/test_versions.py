"""Several versions of the fingerprint from one decoding."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest

from sonicgen.sound import versions
from sonicgen.sound.fingerprint import Fingerprint, Fingerprinter
from sonicgen.sound.versions import Algorithm, algorithms, current_version
from tests.unit.sound.signals import music

SOUND = music(12.0, seed=41)


def made(*wanted: int) -> Fingerprint:
    maker = Fingerprinter(wanted)
    for start in range(0, len(SOUND), 5_000):
        maker.feed(SOUND[start : start + 5_000])
    return maker.finish()


def test_the_current_version_comes_first_and_unknown_ones_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for version, kept in ((2, 12), (3, 18)):
        monkeypatch.setitem(cast(dict[int, Algorithm], versions.ALGORITHMS), version, Algorithm(version, kept))
    assert current_version() == 3
    assert [one.version for one in algorithms((1, 9, 3, 2))] == [3, 2, 1]


def test_each_version_is_as_if_it_had_been_made_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = made()
    assert alone.version == 1
    assert alone.older == ()
    monkeypatch.setitem(cast(dict[int, Algorithm], versions.ALGORITHMS), 2, Algorithm(2, peaks_kept=12))
    both = made(1)
    assert set(both.by_version) == {1, 2}
    assert both.version == 2
    np.testing.assert_array_equal(both.by_version[1].peaks.frames, alone.peaks.frames)
    np.testing.assert_array_equal(both.by_version[1].peaks.pitches, alone.peaks.pitches)
    np.testing.assert_array_equal(both.peaks.frames, made().peaks.frames)
    assert 0 < len(both.peaks) < len(alone.peaks)
