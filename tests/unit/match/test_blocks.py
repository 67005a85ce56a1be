from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sonicgen.match.blocks import arrange, block_bits, find_in_blocks, keys_of, pack_blocks, places_of, unpack_blocks

Longs = NDArray[np.int64]
EXTREMES = np.array([-(2**31), -1, 0, 1, 255, 256, 2**29 - 1, 2**31 - 1], np.int32)


def postings(n: int, seed: int, top_number: int = 5000, top_frame: int = 1 << 24) -> tuple[Longs, Longs, Longs]:
    """Return (places, numbers, frames) by place, number and frame, some places with many."""
    rng = np.random.default_rng(seed)
    keys = np.where(rng.random(n) < 0.2, rng.integers(0, 5, n), rng.integers(-(2**31), 2**31, n)).astype(np.int32)
    rows = np.stack((places_of(keys), rng.integers(3, top_number, n), rng.integers(0, top_frame, n)), axis=1)
    rows = np.unique(rows, axis=0)
    return rows[:, 0].copy(), rows[:, 1].copy(), rows[:, 2].copy()


def test_every_key_has_a_place_of_its_own() -> None:
    keys = np.concatenate((EXTREMES, np.random.default_rng(1).integers(-(2**31), 2**31, 10_000).astype(np.int32)))
    places = places_of(keys)
    assert np.array_equal(keys_of(places), keys)
    assert (places.min() >= 0, places.max() < 2**32) == (True, True)


def test_uneven_keys_fill_blocks_evenly() -> None:
    rng = np.random.default_rng(2)
    keys = (rng.normal(50, 12, 64_000).astype(np.int32) << 22) | (rng.normal(32, 6, 64_000).astype(np.int32) << 16)
    keys |= rng.integers(0, 1 << 16, 64_000).astype(np.int32)
    assert np.bincount(places_of(keys) >> 22, minlength=1024).max() < 3 * 64


@pytest.mark.parametrize("bits", [0, 1, 7, 24, 27, 31])
@pytest.mark.parametrize(("top_number", "top_frame"), [(5, 200), (300, 70_000), (2**38, 1 << 24)])
def test_what_was_packed_comes_back(bits: int, top_number: int, top_frame: int) -> None:
    places, numbers, frames = postings(3000, 3, top_number, top_frame)
    blocks, ends, data = pack_blocks(places, numbers, frames, 3, bits)
    same = np.full(len(blocks), bits, np.int64), np.full(len(blocks), 3, np.int64)
    for found, want in zip(unpack_blocks(data, ends, blocks, *same), (places, numbers, frames), strict=True):
        assert np.array_equal(found, want)


def test_packed_postings_are_small() -> None:
    places, numbers, frames = postings(100_000, 4, 5000, 20_000)
    data = pack_blocks(places, numbers, frames, 3, 11)[2]
    assert len(data) < 6.5 * len(places)  # numbers and frames are drawn evenly here: 2 bytes each


def test_only_what_is_asked_for_is_found_in_order_of_number() -> None:
    places, numbers, frames = postings(5000, 5)
    late = numbers > 2500
    parts = [(late, 2501, 4), (~late, 3, 6)]  # the later segment comes first
    packed = [pack_blocks(places[part], numbers[part], frames[part], first, bits) for part, first, bits in parts]
    bits = np.concatenate([np.full(len(p[0]), part[2]) for p, part in zip(packed, parts, strict=True)])
    firsts = np.concatenate([np.full(len(p[0]), part[1]) for p, part in zip(packed, parts, strict=True)])
    ends = np.concatenate((packed[0][1], packed[1][1] + len(packed[0][2])))
    data, blocks = np.concatenate([p[2] for p in packed]), np.concatenate([p[0] for p in packed])
    keys = np.unique(np.concatenate((np.arange(5), keys_of(places)[::7], EXTREMES))).astype(np.int32)
    hits = find_in_blocks(keys, data, ends, blocks, bits, firsts)
    found = arrange(len(keys), *hits, 10_000)
    ends = np.cumsum(found.counts)
    for i, place in enumerate(places_of(keys).tolist()):
        here = places == place
        part = slice(ends[i] - found.counts[i], ends[i])
        assert np.array_equal(found.recordings[part], numbers[here])
        assert np.array_equal(found.frames[part], frames[here])
    few = arrange(len(keys), *hits, 10)
    assert np.array_equal(few.counts, np.where(found.counts > 10, 0, found.counts))
    assert len(few.frames) == few.counts.sum()


def test_nothing_in_nothing_out() -> None:
    none = np.empty(0, np.int64)
    assert [len(part) for part in pack_blocks(none, none, none, 1, 4)] == [0, 0, 0]
    empty = np.empty(0, np.uint8), none, none, none, none
    assert [len(part) for part in find_in_blocks(EXTREMES, *empty)] == [0, 0, 0]
    assert [len(part) for part in find_in_blocks(np.empty(0, np.int32), *empty)] == [0, 0, 0]


def test_blocks_of_large_segments_are_told_apart_by_the_lower_bits() -> None:
    assert [block_bits(n) for n in (0, 64, 64 << 10, 64 << 21)] == [0, 0, 10, 21]
    assert [block_bits(n) for n in (64 << 22, 64 << 24, 64 << 40)] == [26, 28, 31]
    # Of 2^21 values of the upper bits, spread over 2^24, none shares a block with another from 24 bits on.
    keys = np.arange(0, 1 << 29, 1 << 8, dtype=np.int32)
    assert len(np.unique(places_of(keys) >> 32 - 24)) == len(keys)
