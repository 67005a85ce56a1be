"""Small fingerprints, stored and searched; and the votes counted the slow and plain way."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from sonicgen.store import postings
from sonicgen.store.database import Database
from sonicgen.store.postings import PostingVotes

Ints = NDArray[np.int32]


def ints(*values: int) -> Ints:
    return np.array(values, np.int32)


def store(database: Database, recording_id: UUID, keys: Ints, frames: Ints, peaks: bytes = b"peaks") -> int:
    with database.transaction() as connection:
        return postings.store(connection, recording_id, keys, frames, [(0, 0, peaks)], index_version=1)


def stored(database: Database) -> Counter[tuple[int, int, int]]:
    """Return (number, key, frame) of every posting."""
    with database.transaction() as connection:
        rows = connection.execute("select key, loc from fingerprints").fetchall()
    return Counter((row["loc"] >> 24, row["key"], row["loc"] & 0xFFFFFF) for row in rows)


def search(
    database: Database,
    keys: Ints,
    frames: Ints,
    limit: int = 10,
    max_postings: int = 100,
    after_number: int | None = None,
) -> list[PostingVotes]:
    return postings.candidates(
        database, keys, frames, limit=limit, max_postings=max_postings, after_number=after_number
    )


def vote(entries: list[tuple[int, int, int]], keys: Ints, frames: Ints, max_postings: int) -> list[tuple[int, int]]:
    """Return (votes, number) of the best bins, worked out the slow and plain way."""
    by_key: dict[int, list[tuple[int, int]]] = {}
    for number, key, frame in entries:
        by_key.setdefault(key, []).append((number, frame))
    ballots = {
        (key, frame, number, (reference - frame) // 8)
        for key, frame in zip(keys.tolist(), frames.tolist(), strict=True)
        if len(by_key.get(key, [])) <= max_postings
        for number, reference in by_key.get(key, [])
    }
    bins = Counter((number, place) for _, _, number, place in ballots)
    pairs = {(number, place): count + bins.get((number, place + 1), 0) for (number, place), count in bins.items()}
    kept = [
        (votes, number)
        for (number, place), votes in pairs.items()
        if pairs.get((number, place - 1), 0) < votes >= pairs.get((number, place + 1), 0)
    ]
    return sorted(kept, key=lambda pair: (-pair[0], pair[1]))
