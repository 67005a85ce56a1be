from __future__ import annotations

import threading
from collections import Counter
from uuid import UUID

import numpy as np
import pytest
from numpy.typing import NDArray

from sonicgen.match.blocks import SEARCHED_POSTINGS, unpack_blocks
from sonicgen.steps import pack_index as pack_index_module
from sonicgen.steps.pack_index import pack_directly, pack_index
from sonicgen.steps.search_index import PostgresIndex
from sonicgen.store import packed, postings, recordings
from sonicgen.store.database import Database
from tests.unit.steps.claimed import claim_one

Row = tuple[int, int, int]  # key, number, frame
RNG = np.random.default_rng(9)


def store(
    database: Database, keys: NDArray[np.int32], frames: NDArray[np.int32], *, at_once: bool = False
) -> tuple[UUID, int]:
    recording_id = claim_one(database)
    with database.transaction() as connection:
        number = postings.enter(connection, recording_id, [(0, 0, b"peaks")], index_version=1)
        landmarks = postings.unique_landmarks(keys, frames)
        if not (at_once and pack_directly(connection, number, *landmarks, seconds=1.0)):
            postings.add_rows(connection, number, *landmarks)
    return recording_id, number


def some(n: int, top: int = 1 << 29) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    return RNG.integers(-50, top, n).astype(np.int32), RNG.integers(0, 1 << 24, n).astype(np.int32)


def rows_of(keys: NDArray[np.int32], frames: NDArray[np.int32], number: int) -> set[Row]:
    return {(key, number, frame) for key, frame in zip(keys.tolist(), frames.tolist(), strict=True)}


def found(database: Database, keys: NDArray[np.int32], most: int = 100_000) -> Counter[Row]:
    unique = np.unique(keys)
    answer = PostgresIndex(database, most_postings=most).postings(unique)
    asked = np.repeat(unique, answer.counts).tolist()
    return Counter(zip(asked, answer.recordings.tolist(), answer.frames.tolist(), strict=True))


def physical(database: Database) -> Counter[int]:
    """Return how many postings each number has, in rows and in blocks, forgotten or not."""
    with database.transaction() as connection:
        counted = Counter(row["n"] for row in connection.execute("select loc >> 24 as n from fingerprints"))
        row = connection.execute(
            "select array_send(array_agg(block)) as blocks, array_send(array_agg(bits)) as bits, "
            "array_send(array_agg(first_number)) as first_numbers, "
            "array_send(array_agg(octet_length(data))) as sizes, string_agg(data, '') as data from "
            "(select b.*, s.bits, s.first_number from packed_postings b "
            "join packed_segments s on s.id = b.segment) b",
            binary=True,
        ).fetchone()
    assert row is not None
    blocks = packed.blocks_of(row)
    unpacked = unpack_blocks(blocks.data, blocks.ends, blocks.blocks, blocks.bits, blocks.first_numbers)
    counted.update(unpacked[1].tolist())
    return counted


def test_nothing_to_pack(database: Database) -> None:
    assert pack_index(database) == 0


def test_packing_changes_no_answer(database: Database) -> None:
    stored: set[Row] = set()
    every = []
    for _ in range(5):
        keys, frames = some(4000)
        keys[:1000] = RNG.integers(0, 60, 1000)  # a few common ones
        _, number = store(database, keys, frames)
        stored |= rows_of(keys, frames, number)
        every.append(keys)
        asked = np.concatenate([*every, np.array([77_777_777], np.int32)])
        before = found(database, asked)
        assert pack_index(database) >= 1
        assert found(database, asked) == before == Counter(stored)
        for cap in (10, 60):
            counts = Counter(row[0] for row in stored)
            expected = Counter(row for row in stored if counts[row[0]] <= cap)
            assert found(database, asked, cap) == expected
    with database.transaction() as connection:
        segments = packed.segments(connection)
        assert connection.execute("select from fingerprints limit 1").fetchone() is None
    assert [s.postings for s in segments] == sorted((s.postings for s in segments), reverse=True)
    assert sum(s.postings for s in segments) == len(stored)


def test_a_common_key_is_read_only_as_far_as_searches_need(database: Database) -> None:
    n = SEARCHED_POSTINGS + 500
    _, number = store(database, np.full(n, 7, np.int32), np.arange(n, dtype=np.int32))
    store(database, np.full(10, 8, np.int32), np.arange(10, dtype=np.int32))
    pack_index(database)
    keys = np.array([7, 8], np.int32)
    few = postings.postings_of(database, keys, max_postings=SEARCHED_POSTINGS - 1)
    assert PostgresIndex(database, most_postings=SEARCHED_POSTINGS - 1).postings(keys).counts.tolist() == [0, 10]
    everything = postings.postings_of(database, keys, max_postings=SEARCHED_POSTINGS)
    assert len(everything.blocks.data) > len(few.blocks.data)
    answer = PostgresIndex(database, most_postings=n).postings(keys)
    assert answer.counts.tolist() == [n, 10]
    assert answer.frames[:n].tolist() == list(range(n))
    assert set(answer.recordings[:n].tolist()) == {number}


@pytest.mark.parametrize("chunk", [500, 10**6])
def test_forgetting_is_exact_and_maintenance_removes_every_trace(
    database: Database, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(pack_index_module, "CHUNK_POSTINGS", chunk)
    kept: dict[UUID, tuple[int, set[Row]]] = {}
    every = []
    for _ in range(6):
        keys, frames = some(2000, 10_000)
        recording_id, number = store(database, keys, frames)
        kept[recording_id] = number, rows_of(keys, frames, number)
        every.append(keys)
    pack_index(database)
    asked = np.concatenate(every)
    doomed = list(kept)[1:5:2]
    with database.transaction() as connection:
        recordings.delete(connection, doomed[0])
        postings.remove(connection, doomed[1])
    gone = {kept.pop(recording_id)[0] for recording_id in doomed}
    expected = Counter(row for _, rows in kept.values() for row in rows)
    assert found(database, asked) == expected
    assert gone & set(physical(database))
    pack_index(database)
    assert found(database, asked) == expected
    assert physical(database) == Counter(row[1] for row in expected)
    with database.transaction() as connection:
        assert connection.execute("select from packed_forgotten").fetchone() is None


def test_storing_again_replaces_packed_postings(database: Database) -> None:
    recording_id, first = store(database, *some(500, 1000))
    pack_index(database)
    keys, frames = some(300, 1000)
    with database.transaction() as connection:
        second = postings.store(connection, recording_id, keys, frames, [], index_version=1)
    everything = np.arange(-50, 1000, dtype=np.int32)
    assert found(database, everything) == Counter(rows_of(keys, frames, second))
    pack_index(database)
    assert found(database, everything) == Counter(rows_of(keys, frames, second))
    assert first not in physical(database)


def test_a_merge_that_was_interrupted_goes_on(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_index_module, "CHUNK_POSTINGS", 300)
    expected: set[Row] = set()
    for _ in range(2):
        keys, frames = some(1500, 5000)
        _, number = store(database, keys, frames)
        expected |= rows_of(keys, frames, number)
        monkeypatch.setattr(pack_index_module, "_merge_all", lambda _: None)
        pack_index(database)
    monkeypatch.undo()
    monkeypatch.setattr(pack_index_module, "CHUNK_POSTINGS", 300)
    asked = np.arange(-50, 5000, dtype=np.int32)
    target = pack_index_module._start_merge(database)
    assert target is not None
    for _ in range(3):
        assert pack_index_module._merge_next(database, target)
        assert found(database, asked) == Counter(expected)
    with database.transaction() as connection:
        assert len(packed.segments(connection)) == 3
    assert pack_index_module._start_merge(database) == target
    assert pack_index(database) == 1
    assert found(database, asked) == Counter(expected)


def test_what_is_forgotten_during_a_merge_is_removed_by_the_next(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack_index_module, "CHUNK_POSTINGS", 300)
    recording_id, _ = store(database, *some(1500, 5000))
    other, _ = store(database, *some(1500, 5000))
    pack_index(database)
    with database.transaction() as connection:
        recordings.delete(connection, recording_id)
    target = pack_index_module._start_merge(database)
    assert target is not None
    assert pack_index_module._merge_next(database, target)
    with database.transaction() as connection:
        recordings.delete(connection, other)
    pack_index(database)
    assert not physical(database)
    with database.transaction() as connection:
        assert connection.execute("select from packed_forgotten").fetchone() is None


@pytest.mark.parametrize("least", [10**9, 700, 0], ids=["rows", "both", "blocks"])
def test_packing_beside_stores_removals_and_searches(
    database: Database, monkeypatch: pytest.MonkeyPatch, least: int
) -> None:
    monkeypatch.setattr(pack_index_module, "CHUNK_POSTINGS", 2000)
    monkeypatch.setattr(pack_index_module, "LEAST_DIRECT_POSTINGS", least)
    stay_keys, stay_frames = some(1000, 3000)
    _, stays = store(database, stay_keys, stay_frames)
    expected = rows_of(stay_keys, stay_frames, stays)
    done = threading.Event()
    errors: list[BaseException] = []

    def guarded(work: object) -> threading.Thread:
        def run() -> None:
            try:
                while not done.is_set():
                    work()  # type: ignore[operator]
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def look() -> None:
        seen = found(database, stay_keys)
        assert {row: n for row, n in seen.items() if row[1] == stays} == dict.fromkeys(expected, 1)

    threads = [guarded(look), guarded(lambda: pack_index(database))]
    survivors = {stays: len(expected)}
    for i in range(12):
        keys, frames = some(600 if i % 2 else 800, 3000)
        recording_id, number = store(database, keys, frames, at_once=True)
        if i % 3 == 0:
            survivors[number] = len(rows_of(keys, frames, number))
        else:
            with database.transaction() as connection:
                recordings.delete(connection, recording_id)
    done.set()
    for thread in threads:
        thread.join()
    assert errors == []
    pack_index(database)
    assert physical(database) == survivors
