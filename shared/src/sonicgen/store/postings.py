"""The index in Postgres: postings by landmark key, every recording's peaks, and the search among them.

A posting is (key, loc) with loc = number << 24 | frame; the number belongs to one store of one recording and is new at
each store, so whoever has seen the index up to a number can ask for what came later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from sonicgen.errors import NotFoundError
from sonicgen.store.database import Connection, Database, Int4Array
from sonicgen.store.packed import Blocks, array_items, blocks_of
from sonicgen.store.statements import load_statements

_SQL = load_statements("postings")

FRAME_BITS = 24  # 108 hours of frames of 23 ms
_COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_TRAILER = b"\xff\xff"
# One row in COPY's binary format: two fields, each with its length, big-endian.
_COPY_ROW = np.dtype([("fields", ">i2"), ("key_size", ">i4"), ("key", ">i4"), ("loc_size", ">i4"), ("loc", ">i8")])
_ROWS_PER_WRITE = 50_000  # 1.1 MB: bounded memory for recordings of any length


@dataclass(frozen=True, slots=True)
class PostingVotes:
    """How many landmarks agree on a recording (its number) and `delta`, the reference frame at query frame 0."""

    number: int
    delta: int
    votes: int


@dataclass(frozen=True, slots=True)
class IndexState:
    """What the index is at one moment.

    `versions` are those of the fingerprints in it, in order. Numbers stored later are above `latest_number`; as long as
    `departures` stays the same, whatever was there then is there still.
    """

    seconds: float
    latest_number: int
    departures: int
    versions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FoundPostings:
    """What the index holds of some keys: rows (`keys` and `locs`, in order) and the blocks that hold the packed ones.

    Postings of the `forgotten` numbers in the blocks, and all of the `noisy` keys, do not count.
    """

    keys: NDArray[np.int32]
    locs: NDArray[np.int64]
    blocks: Blocks
    forgotten: NDArray[np.int64]
    noisy: NDArray[np.int32]


def lock_index(connection: Connection) -> None:
    """Keep everybody else from storing until this transaction ends.

    For looking again before storing: two equal files that arrive at once then end as one original and one copy.
    """
    connection.execute(_SQL["lock_index"])


def enter(
    connection: Connection, video_id: UUID, peak_segments: Iterable[tuple[int, int, bytes]], index_version: int
) -> int:
    """Give a recording its place in the index in the caller's transaction, as yet without postings; return its number.

    What it had in the index is replaced. `peak_segments` are (segment, first frame, packed peaks). Takes the index
    lock. Raises NotFoundError when the recording is not known.
    """
    lock_index(connection)
    row = connection.execute(_SQL["assign_number"], {"video_id": video_id, "index_version": index_version}).fetchone()
    if row is None:
        raise NotFoundError(f"There is no recording {video_id}.")
    with connection.cursor() as cursor:
        cursor.execute(_SQL["remove_peaks"], {"video_id": video_id})
        rows = [{"video_id": video_id, "segment": s, "first_frame": f, "data": data} for s, f, data in peak_segments]
        cursor.executemany(_SQL["insert_peaks"], rows)
    return int(row["number"])


def unique_landmarks(keys: NDArray[np.int32], frames: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return landmarks (equal lengths, 0 <= frame < 2**24) each once, by key and frame, as (keys, frames).

    Raises ValueError for what is no landmark.
    """
    if len(keys) != len(frames):
        raise ValueError("Every key needs the frame of its anchor.")
    if len(frames) and not (frames.min() >= 0 and frames.max() < 1 << FRAME_BITS):
        raise ValueError(f"Frames must lie in 0 to {(1 << FRAME_BITS) - 1}.")
    unique = np.unique(keys.astype(np.int64) << FRAME_BITS | frames.astype(np.int64))
    return (unique >> FRAME_BITS).astype(np.int32), unique & ((1 << FRAME_BITS) - 1)


def store(
    connection: Connection,
    video_id: UUID,
    keys: NDArray[np.int32],
    frames: NDArray[np.int32],
    peak_segments: Iterable[tuple[int, int, bytes]],
    index_version: int,
) -> int:
    """Enter a recording with its landmarks as rows, in the caller's transaction; return its new number.

    Raises what `enter` and `unique_landmarks` raise.
    """
    landmarks = unique_landmarks(keys, frames)
    number = enter(connection, video_id, peak_segments, index_version)
    add_rows(connection, number, *landmarks)
    return number


def add_rows(connection: Connection, number: int, keys: NDArray[np.int32], frames: NDArray[np.int64]) -> None:
    """Put landmarks, by key and frame, into the index as rows of a number."""
    with connection.cursor().copy(_SQL["copy_postings"]) as copy:
        for block in _copy_blocks(keys, frames, number):
            copy.write(block)


def remove(connection: Connection, video_id: UUID) -> None:
    """Take a recording out of the index, postings and peaks; its row stays."""
    lock_index(connection)
    connection.execute(_SQL["remove"], {"video_id": video_id})
    connection.execute(_SQL["remove_peaks"], {"video_id": video_id})


def candidates(
    database: Database,
    keys: NDArray[np.int32],
    frames: NDArray[np.int32],
    *,
    limit: int,
    max_postings: int,
    after_number: int | None = None,
) -> list[PostingVotes]:
    """Return the best-supported (recording, offset) pairs, most votes first.

    Keys with more than `max_postings` postings, and noisy ones, are left out whole. `after_number` looks only at what
    was stored after that number.
    """
    with database.transaction() as connection:
        return candidates_within(
            connection, keys, frames, limit=limit, max_postings=max_postings, after_number=after_number
        )


def candidates_within(
    connection: Connection,
    keys: NDArray[np.int32],
    frames: NDArray[np.int32],
    *,
    limit: int,
    max_postings: int,
    after_number: int | None = None,
) -> list[PostingVotes]:
    """Do what `candidates` does in the caller's transaction, for looking again under the index lock."""
    values = {
        "keys": Int4Array(keys),
        "frames": Int4Array(frames),
        "limit": limit,
        "max_postings": max_postings,
        "after_number": after_number,
    }
    rows = connection.execute(_SQL["candidates"], values).fetchall()
    return [PostingVotes(row["number"], row["delta"], row["votes"]) for row in rows]


def postings_of(
    database: Database, keys: NDArray[np.int32], *, max_postings: int, after_number: int | None = None
) -> FoundPostings:
    """Return where keys occur, as the index keeps it: rows, and packed blocks that may hold more.

    `keys` ascend without repetition. Of a key with more than `max_postings` rows one more than that is returned.
    `after_number` looks only at what was stored after that number; blocks may hold earlier ones too.
    """
    values = {"keys": Int4Array(keys), "max_postings": max_postings, "after_number": after_number}
    row = database.execute(_SQL["postings"], values, binary=True).fetchone()
    assert row is not None  # noqa: S101 - the function always returns one row
    return FoundPostings(
        keys=array_items(row["keys"], ">i4").astype(np.int32),
        locs=array_items(row["locs"], ">i8").astype(np.int64),
        blocks=blocks_of(row),
        forgotten=array_items(row["forgotten"], ">i8").astype(np.int64),
        noisy=array_items(row["noisy"], ">i4").astype(np.int32),
    )


def peak_segments(database: Database, stretches: Sequence[tuple[int, int, int]]) -> list[list[tuple[int, bytes]]]:
    """Return (first frame, packed peaks) of every segment that reaches into each stretch, in order of time.

    A stretch is a recording's number, its first frame and its last.
    """
    numbers, firsts, lasts = zip(*stretches, strict=True) if stretches else ((), (), ())
    values = {"numbers": list(numbers), "first_frames": list(firsts), "last_frames": list(lasts)}
    rows = database.execute(_SQL["peak_segments"], values, binary=True).fetchall()
    found: list[list[tuple[int, bytes]]] = [[] for _ in stretches]
    for row in rows:
        found[row["stretch"]].append((row["first_frame"], row["data"]))
    return found


def state(database: Database) -> IndexState:
    """Return what the index is now."""
    row = database.execute(_SQL["state"]).fetchone()
    assert row is not None  # noqa: S101 - the table has one row
    return IndexState(float(row["seconds"]), row["latest_number"], row["departures"], tuple(row["versions"]))


def counts_by_version(database: Database) -> dict[int, int]:
    """Return how many recordings the index holds of each version."""
    return {row["version"]: row["recordings"] for row in database.execute(_SQL["counts_by_version"])}


def of_version(database: Database, numbers: NDArray[np.int64], version: int) -> NDArray[np.int64]:
    """Return which of these numbers are those of fingerprints of a version."""
    values = {"numbers": numbers.tolist(), "version": version}
    row = database.execute(_SQL["of_version"], values, binary=True).fetchone()
    return array_items(row["numbers"] if row else None, ">i8").astype(np.int64)


def indexed_seconds(database: Database) -> float:
    """Return how many seconds of sound the index holds; costs the same however many they are."""
    return float(_single(database, "indexed_seconds", "seconds"))


def storage_bytes(database: Database) -> int:
    """Return how much disk the postings and their indexes take."""
    return int(_single(database, "storage_bytes", "bytes"))


def add_noisy(database: Database, keys: NDArray[np.int32], reason: str) -> None:
    """Leave these keys out of every search from now on."""
    database.execute(_SQL["add_noisy"], {"keys": Int4Array(np.unique(keys)), "reason": reason})


def remove_noisy(database: Database, keys: NDArray[np.int32]) -> None:
    """Let these keys take part in searches again."""
    database.execute(_SQL["remove_noisy"], {"keys": Int4Array(keys)})


def _single(database: Database, statement: str, column: str) -> float:
    row = database.execute(_SQL[statement]).fetchone()
    assert row is not None  # noqa: S101 - a query without a condition on rows
    value: float = row[column]
    return value


def _copy_blocks(keys: NDArray[np.int32], frames: NDArray[np.int64], number: int) -> Iterator[bytes]:
    """Yield postings in COPY's binary format; ordered by key, so that neighbours share index pages."""
    yield _COPY_HEADER
    for start in range(0, len(keys), _ROWS_PER_WRITE):
        part = slice(start, start + _ROWS_PER_WRITE)
        rows = np.empty(len(keys[part]), _COPY_ROW)
        rows["fields"], rows["key_size"], rows["loc_size"] = 2, 4, 8
        rows["key"] = keys[part]
        rows["loc"] = number << FRAME_BITS | frames[part]
        yield rows.tobytes()
    yield _COPY_TRAILER
