from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from sonicgen.match.memory_index import MemoryIndex
from sonicgen.match.stream import find_in_stream
from sonicgen.sound.spectrum import SAMPLE_RATE_HZ
from tests.unit.sound.signals import fingerprint_of, music, noise

PIECES = [music(60.0, seed=seed) for seed in (1, 2, 3)]
INDEX = MemoryIndex()
for number, piece in enumerate(PIECES):
    INDEX.add(number, fingerprint_of(piece))


def blocks(samples: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(samples), size):
        yield samples[start : start + size].astype(np.float32)


@pytest.mark.parametrize("size", [1_000, 33_075, 500_000])
def test_stops_listening_when_it_is_sure(size: int) -> None:
    clip = PIECES[1][20 * SAMPLE_RATE_HZ : 40 * SAMPLE_RATE_HZ]
    stream = blocks(clip, size)
    *unsure, last = find_in_stream(stream, INDEX)
    assert not any(look.is_sure for look in unsure)
    assert last.is_sure
    assert last.seconds <= 5.0
    assert last.matches[0].recording == 1
    assert last.matches[0].reference_start_seconds == pytest.approx(20.0, abs=0.1)
    if size == 1_000:
        assert len(next(stream)) == size  # the rest was not read


def test_what_is_nowhere_is_listened_to_for_ten_seconds() -> None:
    looks = list(find_in_stream(blocks(noise(30.0, seed=4), 8_192), INDEX))
    assert [round(look.seconds) for look in looks] == [3, 5, 8, 10]
    assert not any(look.is_sure for look in looks)


def test_a_stream_that_ends_early_is_looked_at_where_it_ends() -> None:
    clip = PIECES[2][10 * SAMPLE_RATE_HZ : round(12.5 * SAMPLE_RATE_HZ)]
    (look,) = find_in_stream(blocks(clip, 4_096), INDEX)
    assert look.seconds == pytest.approx(2.5, abs=0.01)
    assert list(find_in_stream([], INDEX)) == []
