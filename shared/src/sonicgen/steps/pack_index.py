"""Packing the index: postings move from rows into blocks, those of long recordings go there at once, and what was
forgotten leaves them.

Safe beside stores, searches and removals, and to be stopped at any time: every transaction moves some postings from one
place to another, and the next run goes on from there. Removals wait for the transaction that is under way (seconds).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sonicgen.match.blocks import (
    PLACE_BITS,
    SEARCHED_POSTINGS,
    block_bits,
    pack_blocks,
    places_of,
    unpack_blocks,
)
from sonicgen.store import packed
from sonicgen.store.database import Connection, Database
from sonicgen.store.packed import Segment

# One transaction: 8 h are about 2 million postings, 150 MB of memory and some 10 s.
CHUNK_SECONDS = 8 * 3600.0
CHUNK_POSTINGS = 2_000_000
# A segment takes over the one before it unless that is so many times its size: a posting is then written anew a few
# times in all, and the segments, each of which a search has to look into, are about as many as the index has doublings
# of its double.
MERGE_RATIO = 3
# Packing is due when so much has come: less is searched as fast as it is, and packing an hour takes a second.
DUE_SECONDS = 3_600.0
DUE_POSTINGS = 240_000  # an hour of music and speech
# A recording with so many (ten minutes) is packed as it comes. As rows it would take ten times the CPU in all:
# each is written with its index, read again, removed, and then packed all the same (docs/database.md).
LEAST_DIRECT_POSTINGS = 40_000
# More (four hours) come as rows: the arrays of a packing take some 70 bytes a posting.
MOST_DIRECT_POSTINGS = 1_000_000
_FRAME_BITS = 24


def is_due(database: Database) -> bool:
    """Return whether enough has come for `pack_index` to be worth its while."""
    with database.transaction() as connection:
        if packed.unpacked_seconds(connection) >= DUE_SECONDS:
            return True
        sizes = [segment.postings for segment in _choose(packed.segments(connection))]
    return sum(sizes) - max(sizes, default=0) >= DUE_POSTINGS


def pack_directly(
    connection: Connection, number: int, keys: NDArray[np.int32], frames: NDArray[np.int64], seconds: float
) -> bool:
    """Put a new recording's landmarks into a segment, in the transaction that enters it; return whether that was done.

    A segment has all postings of its numbers, so rows that came before go with it. Nothing is done, and the caller is
    to store rows, when those are of more sound than the recording itself (`seconds`), and while a packing or a removal
    is under way: for neither is the index to be kept locked.
    """
    if not LEAST_DIRECT_POSTINGS <= len(keys) <= MOST_DIRECT_POSTINGS or not packed.try_lock(connection):
        return False
    first, waiting_seconds = packed.rows_before(connection, number)
    if waiting_seconds > seconds:
        return False
    locs = number << _FRAME_BITS | frames
    if first < number:
        earlier_keys, earlier_locs = packed.take_rows(connection, first, number - 1)
        keys, locs = np.concatenate((earlier_keys, keys)), np.concatenate((earlier_locs, locs))
    _pack(connection, (first, number), keys, locs)
    return True


def pack_index(database: Database) -> int:
    """Pack all recordings that are stored, and take out what was forgotten; return how many segments there are.

    Raises what the database raises; whatever was done until then is kept.
    """
    _merge_all(database)
    while _pack_next(database):
        _merge_all(database)
    with database.transaction() as connection:
        return len(packed.segments(connection))


def _pack_next(database: Database) -> bool:
    """Pack the next recordings into a segment of their own; return whether there were any."""
    with database.transaction() as connection:
        packed.lock(connection)
        numbers = packed.next_range(connection, CHUNK_SECONDS)
        if numbers is None:
            return False
        _pack(connection, numbers, *packed.take_rows(connection, *numbers))
    return True


def _pack(connection: Connection, numbers: tuple[int, int], keys: NDArray[np.int32], locs: NDArray[np.int64]) -> None:
    """Make a segment of all postings of some numbers, first and last."""
    bits = block_bits(len(keys))
    segment = packed.add_segment(connection, *numbers, bits, len(keys))
    frames = locs & ((1 << _FRAME_BITS) - 1)
    _write(connection, segment, numbers[0], bits, places_of(keys), locs >> _FRAME_BITS, frames)


def _write(
    connection: Connection,
    segment: int,
    first_number: int,
    bits: int,
    places: NDArray[np.int64],
    numbers: NDArray[np.int64],
    frames: NDArray[np.int64],
) -> None:
    """Put postings, in any order, into blocks of a segment that are not there yet."""
    if not len(places):
        return
    order = np.argsort(numbers << _FRAME_BITS | frames)
    order = order[np.argsort(places[order], kind="stable")]
    _write_sorted(connection, segment, first_number, bits, places[order], numbers[order], frames[order])


def _write_sorted(
    connection: Connection,
    segment: int,
    first_number: int,
    bits: int,
    places: NDArray[np.int64],
    numbers: NDArray[np.int64],
    frames: NDArray[np.int64],
) -> None:
    """Put postings, by place, number and frame, into blocks of a segment that are not there yet."""
    is_first = np.concatenate(([True], places[1:] != places[:-1]))
    starts = np.nonzero(is_first)[0]
    ranks = np.arange(len(places)) - starts[np.cumsum(is_first) - 1]
    for part in (0, 1):
        chosen = (ranks >= SEARCHED_POSTINGS) == bool(part)
        if chosen.any():
            made = pack_blocks(places[chosen], numbers[chosen], frames[chosen], first_number, bits)
            packed.add_blocks(connection, segment, part, *made)


def _merge_all(database: Database) -> None:
    """Merge until every segment is much larger than the next, and none holds what was forgotten."""
    while (target := _start_merge(database)) is not None:
        while _merge_next(database, target):
            pass


def _start_merge(database: Database) -> int | None:
    """Return the merge that is under way, or a new one, None when nothing is to be merged."""
    with database.transaction() as connection:
        packed.lock(connection)
        found = packed.segments(connection)
        for segment in found:
            if segment.merging_into is not None:
                return segment.merging_into
        sources = _choose(found)
        if not sources:
            return None
        bits = block_bits(sum(source.postings for source in sources))
        return packed.start_merge(connection, sources, bits)


def _choose(found: list[Segment]) -> list[Segment]:
    first, size = len(found), 0
    while first and (size == 0 or found[first - 1].postings < MERGE_RATIO * size):
        first -= 1
        size += max(1, found[first].postings)
    if len(found) - first > 1:
        return found[first:]
    return next(([segment] for segment in found if segment.holds_forgotten), [])


def _merge_next(database: Database, target: int) -> bool:
    """Take over the next blocks of a merge in one transaction; return whether there were any."""
    with database.transaction() as connection:
        packed.lock(connection)
        found = packed.segments(connection)
        sources = [segment for segment in found if segment.merging_into == target]
        place = packed.next_place(connection, target)
        if place is None:
            packed.finish_merge(connection, target)
            return False
        (into,) = (segment for segment in found if segment.id == target)
        # A range of places in which blocks of all these segments begin and end, of about as many postings.
        chunks = math.log2(max(1.0, sum(source.postings for source in sources) / CHUNK_POSTINGS))
        shift = PLACE_BITS - min(math.ceil(chunks), into.bits, *(source.bits for source in sources))
        first = place >> shift << shift
        blocks = packed.take_blocks(connection, target, first, first + (1 << shift))
        places, numbers, frames = unpack_blocks(
            blocks.data, blocks.ends, blocks.blocks, blocks.bits, blocks.first_numbers
        )
        kept = ~np.isin(numbers, packed.forgotten(connection, target))
        places, numbers, frames = places[kept], numbers[kept], frames[kept]
        _write(connection, target, into.first_number, into.bits, places, numbers, frames)
        packed.add_to_segment(connection, target, len(places))
    return True
