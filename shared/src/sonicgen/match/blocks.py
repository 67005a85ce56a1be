"""Postings packed into blocks of 64 or so: about 5 bytes each instead of a row of 70.

A key is permuted into a place of 32 bits, so that places are spread evenly however unevenly keys are: the upper bits of
a place are the block's number. The lowest eight bits of a key (the times of its targets) stay together, since a query
asks for many of them: that halves the blocks it reads.

A block holds its postings by place, recording number and frame. Its first byte says how many bytes a number (low half)
and a frame (high half) take; then come, for each posting, how far its place lies beyond the one before (the first:
beyond the block's start), seven bits a byte, lowest first, the eighth bit saying that more follows; then for each its
number less the segment's first, and its frame, lowest byte first. A reader runs through the places only.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sonicgen.match.index import Postings

PLACE_BITS = 32
_KEPT_BITS = 8
_PREFIX_BITS = 21
_MOST_BITS = 31
_FRAME_BITS = 24
_PREFIX_MASK = (1 << (PLACE_BITS - _KEPT_BITS)) - 1
# About 2^24 divided by the golden ratio, as Fibonacci hashing has it; its inverse undoes it. The migration has it too.
_FACTOR = 10_368_889
_INVERSE = pow(_FACTOR, -1, _PREFIX_MASK + 1)
BLOCK_POSTINGS = 64  # twice as many: 20 % less room, and twice as much to read
# So many postings of a key lie in the block that a search reads; the rest in a second one, which it reads only when it
# asks for keys with more. In 10 h the most frequent key has 700 postings, in 5,000 h it would have 350,000.
SEARCHED_POSTINGS = 2_048


def places_of(keys: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the places of keys."""
    wide = keys.astype(np.int64) & 0xFFFFFFFF
    return (wide >> _KEPT_BITS) * _FACTOR % (_PREFIX_MASK + 1) << _KEPT_BITS | wide & 255


def keys_of(places: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return the keys that lie at these places."""
    prefixes = (places >> _KEPT_BITS) * _INVERSE % (_PREFIX_MASK + 1)
    return (prefixes << _KEPT_BITS | places & 255).astype(np.uint32).view(np.int32)


def block_bits(postings: int) -> int:
    """Return how many bits of a place number the blocks of a segment with so many postings."""
    bits = max(0, round(math.log2(max(1.0, postings / BLOCK_POSTINGS))))
    if bits <= _PREFIX_BITS:
        return bits
    # Keys have 29 bits, so their upper ones take 2^21 values, which are permuted among 2^24: from there on only the
    # bits that were kept tell blocks apart. One bit more than the mean asks for: some of these keys are a hundred times
    # as common as others, and a query asks for common ones.
    return min(_MOST_BITS, PLACE_BITS - _KEPT_BITS + bits - _PREFIX_BITS + 1)


@njit(cache=True, nogil=True)
def _bytes_of(value: int) -> int:
    n = 1
    while value > 255:
        value >>= 8
        n += 1
    return n


@njit(cache=True, nogil=True)
def _write(data: NDArray[np.uint8], at: int, value: int, size: int) -> int:
    for i in range(size):
        data[at + i] = (value >> 8 * i) & 255
    return at + size


@njit(cache=True, nogil=True)
def _write_step(data: NDArray[np.uint8], at: int, value: int) -> int:
    while value > 127:
        data[at] = value & 127 | 128
        value >>= 7
        at += 1
    data[at] = value
    return at + 1


@njit(cache=True, nogil=True)
def pack_blocks(
    places: NDArray[np.int64], numbers: NDArray[np.int64], frames: NDArray[np.int64], first_number: int, bits: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    """Return the blocks that hold anything, where each one's bytes end, and all bytes.

    The postings come by place, number and frame. `bits`: how many of the place are the block's number.
    """
    shift = PLACE_BITS - bits
    blocks = np.empty(len(places), np.int64)
    ends = np.empty(len(places), np.int64)
    data = np.empty(len(places) * 15 + 8, np.uint8)
    n = 0
    at = 0
    start = 0
    while start < len(places):
        block = places[start] >> shift
        end = start
        most_number = most_frame = np.int64(0)
        while end < len(places) and places[end] >> shift == block:
            most_number = max(most_number, numbers[end] - first_number)
            most_frame = max(most_frame, frames[end])
            end += 1
        number_size, frame_size = _bytes_of(most_number), _bytes_of(most_frame)
        data[at] = number_size | frame_size << 4
        at += 1
        before = block << shift
        for i in range(start, end):
            at = _write_step(data, at, places[i] - before)
            before = places[i]
        for i in range(start, end):
            at = _write(data, at, numbers[i] - first_number, number_size)
            at = _write(data, at, frames[i], frame_size)
        blocks[n], ends[n] = block, at
        n += 1
        start = end
    return blocks[:n].copy(), ends[:n].copy(), data[:at].copy()


@njit(cache=True, nogil=True)
def _first_from(values: NDArray[np.int64], value: int) -> int:
    """Return the index of the first of ascending values that is not smaller."""
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        if values[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def _find(
    wanted: NDArray[np.int64],
    data: NDArray[np.uint8],
    ends: NDArray[np.int64],
    blocks: NDArray[np.int64],
    bits: NDArray[np.int64],
    first_numbers: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return (place, number, frame) of the postings at places that are wanted (ascending); all if that is empty."""
    room = len(data) // 3  # the least that a posting takes; memory that is not written costs nothing
    found = np.empty(room, np.int64)
    numbers = np.empty(room, np.int64)
    frames = np.empty(room, np.int64)
    hits = np.empty(room, np.int64)
    everything = len(wanted) == 0
    n = 0
    for b in range(len(blocks)):
        start = ends[b - 1] if b else 0
        number_size, frame_size = np.int64(data[start] & 15), np.int64(data[start] >> 4)
        size = number_size + frame_size
        place = blocks[b] << (PLACE_BITS - bits[b])
        w = _first_from(wanted, place)
        at = start + 1
        count = 0
        first = n
        while at + count * size < ends[b]:  # what is left is as long as the numbers and frames of all read so far
            byte = np.int64(data[at])
            at += 1
            step = byte & 127
            shift = 7
            while byte > 127:
                byte = np.int64(data[at])
                at += 1
                step |= (byte & 127) << shift
                shift += 7
            place += step
            while w < len(wanted) and wanted[w] < place:
                w += 1
            if everything or (w < len(wanted) and wanted[w] == place):
                found[n], hits[n] = place, count
                n += 1
            count += 1
        for i in range(first, n):
            here = at + hits[i] * size
            number = first_numbers[b]
            for j in range(number_size):
                number += np.int64(data[here + j]) << 8 * j
            frame = np.int64(0)
            for j in range(frame_size):
                frame |= np.int64(data[here + number_size + j]) << 8 * j
            numbers[i], frames[i] = number, frame
    return found[:n].copy(), numbers[:n].copy(), frames[:n].copy()


def unpack_blocks(
    data: NDArray[np.uint8],
    ends: NDArray[np.int64],
    blocks: NDArray[np.int64],
    bits: NDArray[np.int64],
    first_numbers: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return (places, numbers, frames) of every posting in some blocks, each of a segment with its own bits."""
    everything: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
    everything = _find(np.empty(0, np.int64), data, ends, blocks, bits, first_numbers)
    return everything


@njit(cache=True, nogil=True)
def _arrange(
    keys: int, which: NDArray[np.int64], numbers: NDArray[np.int64], frames: NDArray[np.int64], most: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """Return counts, numbers and frames with the postings of a key together, otherwise in the order they came."""
    counts = np.zeros(keys, np.int64)
    for i in which:
        counts[i] += 1
    for i in range(keys):
        if counts[i] > most:
            counts[i] = 0
    at = np.cumsum(counts) - counts
    sorted_numbers = np.empty(counts.sum(), np.int64)
    sorted_frames = np.empty(len(sorted_numbers), np.int32)
    for i in range(len(which)):
        if counts[which[i]]:
            sorted_numbers[at[which[i]]] = numbers[i]
            sorted_frames[at[which[i]]] = frames[i]
            at[which[i]] += 1
    return counts, sorted_numbers, sorted_frames


def find_in_blocks(
    keys: NDArray[np.int32],
    data: NDArray[np.uint8],
    ends: NDArray[np.int64],
    blocks: NDArray[np.int64],
    bits: NDArray[np.int64],
    first_numbers: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return (index of the key, number, frame) of the keys' postings in some blocks, those of a segment in order."""
    if not len(keys):
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64)
    places = places_of(keys)
    order = np.argsort(places)
    found, numbers, frames = _find(places[order], data, ends, blocks, bits, first_numbers)
    if (np.diff(first_numbers) < 0).any():
        by_number = np.argsort(numbers << _FRAME_BITS | frames)
        found, numbers, frames = found[by_number], numbers[by_number], frames[by_number]
    return order[np.searchsorted(places[order], found)], numbers, frames


def arrange(
    keys: int, which: NDArray[np.int64], numbers: NDArray[np.int64], frames: NDArray[np.int64], most_postings: int
) -> Postings:
    """Return postings by key from (index of the key, number, frame), which ascend for each key by number and frame."""
    return Postings(*_arrange(keys, which, numbers, frames, most_postings))


def warm_up() -> None:
    """Load (the first time: compile) what packs and searches blocks."""
    keys, ones = np.arange(2, dtype=np.int32), np.ones(2, np.int64)
    blocks, ends, data = pack_blocks(places_of(keys), ones, ones, 1, 0)
    read_only = np.frombuffer(data.tobytes(), np.uint8)  # as bytes from the database are
    arrange(2, *find_in_blocks(keys, read_only, ends, blocks, ones * 0, ones), 1)
