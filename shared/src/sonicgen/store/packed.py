"""Packed postings: segments of consecutive recordings, each in blocks of about a hundred postings.

What a block's bytes mean is for sonicgen.match.blocks; this module moves them. At any time every posting lies in
exactly one place, a row or one segment: functions that move some do it in the caller's transaction, under `lock`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg.sql import SQL, Literal

from sonicgen.store.database import Connection
from sonicgen.store.statements import load_statements

_SQL = load_statements("packed")

_FRAME_BITS = 24
_COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_TRAILER = b"\xff\xff"
_ROW = np.dtype([("fields", ">i2"), ("key_size", ">i4"), ("key", ">i4"), ("loc_size", ">i4"), ("loc", ">i8")])
_BLOCK = np.dtype(
    [
        ("fields", ">i2"),
        ("segment_size", ">i4"),
        ("segment", ">i4"),
        ("block_size", ">i4"),
        ("block", ">i4"),
        ("part_size", ">i4"),
        ("part", ">i2"),
        ("data_size", ">i4"),
    ]
)
_WRITE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Blocks:
    """Some blocks: their numbers, the bits and first numbers of their segments, where each ends in `data`."""

    blocks: NDArray[np.int64]
    bits: NDArray[np.int64]
    first_numbers: NDArray[np.int64]
    ends: NDArray[np.int64]
    data: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Segment:
    """The postings of the recordings from `first_number` to `last_number`, in 2**bits blocks.

    `merging_into`: the segment that is taking it over. `holds_forgotten`: whether some of them have left the index.
    """

    id: int
    first_number: int
    last_number: int
    bits: int
    postings: int
    merging_into: int | None
    holds_forgotten: bool


def array_items(data: bytes | None, kind: str) -> NDArray[np.integer[Any]]:
    """Return the items of a Postgres array in its binary format: a header of 20 bytes, then (size, value) each."""
    if data is None:
        return np.empty(0, kind)
    items: NDArray[np.integer[Any]] = np.frombuffer(data, [("size", ">i4"), ("value", kind)], offset=20)["value"]
    return items


def lock(connection: Connection) -> None:
    """Keep removals, and other packings, waiting until this transaction ends."""
    connection.execute(_SQL["lock"])


def try_lock(connection: Connection) -> bool:
    """Do what `lock` does if nobody else holds it, without waiting; return whether it is held."""
    row = connection.execute(_SQL["try_lock"]).fetchone()
    assert row is not None  # noqa: S101 - a select without from
    return bool(row["held"])


def rows_before(connection: Connection, number: int) -> tuple[int, float]:
    """Return the first number after the last segment, `number` itself at the latest, and the seconds of sound between.

    `number` is the newest.
    """
    row = connection.execute(_SQL["rows_before"], {"number": number}).fetchone()
    assert row is not None  # noqa: S101 - an aggregate returns a row
    return int(row["first_number"]), float(row["seconds"])


def next_range(connection: Connection, seconds: float) -> tuple[int, int] | None:
    """Return the first and last number of what is yet to be packed, up to about `seconds` of sound; None if nothing."""
    row = connection.execute(_SQL["next_range"], {"seconds": seconds}).fetchone()
    if row is None or row["first_number"] is None:
        return None
    return int(row["first_number"]), int(row["last_number"])


def unpacked_seconds(connection: Connection) -> float:
    """Return how much sound is stored and not in a segment yet."""
    row = connection.execute(_SQL["unpacked_seconds"]).fetchone()
    assert row is not None  # noqa: S101 - an aggregate returns a row
    return float(row["seconds"])


def take_rows(
    connection: Connection, first_number: int, last_number: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Remove the rows of some recordings and return them: keys and locs, in no order."""
    first, end = first_number << _FRAME_BITS, last_number + 1 << _FRAME_BITS
    connection.execute(_SQL["through_block_ranges"])
    statement = SQL(_SQL["read_rows"].decode()).format(first=Literal(first), end=Literal(end))
    with connection.cursor().copy(statement) as copy:
        data = b"".join(copy)
    connection.execute(_SQL["remove_rows"], {"first": first, "end": end})
    connection.execute(_SQL["through_any_index"])
    rows = np.frombuffer(data, _ROW, offset=len(_COPY_HEADER), count=(len(data) - len(_COPY_HEADER)) // _ROW.itemsize)
    return rows["key"].astype(np.int32), rows["loc"].astype(np.int64)


def add_segment(connection: Connection, first_number: int, last_number: int, bits: int, postings: int) -> int:
    """Make a segment without blocks; return its id."""
    values = {"first_number": first_number, "last_number": last_number, "bits": bits, "postings": postings}
    row = connection.execute(_SQL["add_segment"], values).fetchone()
    assert row is not None  # noqa: S101 - insert ... returning
    return int(row["id"])


def add_blocks(
    connection: Connection,
    segment: int,
    part: int,
    blocks: NDArray[np.int64],
    ends: NDArray[np.int64],
    data: NDArray[np.uint8],
) -> None:
    """Put blocks into a segment; `ends` says where each one's bytes end in `data`."""
    starts = np.concatenate(([0], ends[:-1]))
    heads = np.empty(len(blocks), _BLOCK)
    heads["fields"], heads["segment_size"], heads["block_size"], heads["part_size"] = 4, 4, 4, 2
    heads["segment"], heads["part"], heads["block"], heads["data_size"] = segment, part, blocks, ends - starts
    packed, head = data.tobytes(), heads.tobytes()
    size = _BLOCK.itemsize
    with connection.cursor().copy(_SQL["copy_blocks"]) as copy:
        buffer = bytearray(_COPY_HEADER)
        for i, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            buffer += head[i * size : (i + 1) * size]
            buffer += packed[start:end]
            if len(buffer) > _WRITE_BYTES:
                copy.write(bytes(buffer))
                buffer.clear()
        copy.write(bytes(buffer) + _COPY_TRAILER)


def segments(connection: Connection) -> list[Segment]:
    """Return all segments, the earliest numbers first."""
    return [Segment(**row) for row in connection.execute(_SQL["segments"])]


def start_merge(connection: Connection, sources: list[Segment], bits: int) -> int:
    """Make a segment that is to take these over, adjacent ones in order; return its id."""
    first_number, last_number = sources[0].first_number, sources[-1].last_number
    target = add_segment(connection, first_number, last_number, bits, 0)
    connection.execute(_SQL["start_merge"], {"target": target, "sources": [source.id for source in sources]})
    values = {"target": target, "first_number": first_number, "last_number": last_number}
    connection.execute(_SQL["mark_forgotten"], values)
    return target


def forgotten(connection: Connection, target: int) -> NDArray[np.int64]:
    """Return the numbers that a merge leaves out."""
    return np.array([row["number"] for row in connection.execute(_SQL["forgotten"], {"target": target})], np.int64)


def next_place(connection: Connection, target: int) -> int | None:
    """Return the first place that a merge has yet to take over, None when it has all."""
    row = connection.execute(_SQL["next_block"], {"target": target}).fetchone()
    return None if row is None or row["place"] is None else int(row["place"])


def take_blocks(connection: Connection, target: int, first_place: int, end_place: int) -> Blocks:
    """Remove a merge's blocks in a range of places, which begins and ends where blocks do, and return them."""
    values = {"target": target, "first": first_place, "end": end_place}
    row = connection.execute(_SQL["take_blocks"], values, binary=True).fetchone()
    assert row is not None  # noqa: S101 - an aggregate
    return blocks_of(row)


def blocks_of(row: dict[str, Any]) -> Blocks:
    """Return the blocks that a statement has gathered into one row."""
    return Blocks(
        array_items(row["blocks"], ">i4").astype(np.int64),
        array_items(row["bits"], ">i2").astype(np.int64),
        array_items(row["first_numbers"], ">i8").astype(np.int64),
        np.cumsum(array_items(row["sizes"], ">i4"), dtype=np.int64),
        np.frombuffer(row["data"] or b"", np.uint8),
    )


def add_to_segment(connection: Connection, target: int, postings: int) -> None:
    """Count postings that were put into a segment."""
    connection.execute(_SQL["add_to_segment"], {"target": target, "postings": postings})


def finish_merge(connection: Connection, target: int) -> None:
    """Drop the segments that a merge has emptied, and the numbers it has left out."""
    connection.execute(_SQL["finish_merge"], {"target": target})
    connection.execute(_SQL["drop_forgotten"], {"target": target})
