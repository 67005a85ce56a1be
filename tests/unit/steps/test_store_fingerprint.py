from __future__ import annotations

from collections import Counter
from contextlib import suppress
from uuid import UUID

import numpy as np
import pytest

from sonicgen.domain.recording import MatchStatus, Reason
from sonicgen.sound.fingerprint import Fingerprint
from sonicgen.sound.landmarks import index_landmarks
from sonicgen.steps import pack_index as packing
from sonicgen.steps.pack_index import pack_index
from sonicgen.steps.search_index import PostgresIndex
from sonicgen.steps.store_fingerprint import store_fingerprint
from sonicgen.store import packed, recordings
from sonicgen.store.database import Database
from tests.unit.sound.signals import fingerprint_of, music
from tests.unit.steps.claimed import claim_one

LONG = [fingerprint_of(music(40.0, seed=900 + number)) for number in range(3)]
SHORT = [fingerprint_of(music(15.0, seed=950 + number)) for number in range(3)]

Row = tuple[int, int, int]  # key, number, frame


@pytest.fixture(autouse=True)
def forty_seconds_are_long(monkeypatch: pytest.MonkeyPatch) -> None:
    assert max(map(landmarks, SHORT)) < 1_500 < min(map(landmarks, LONG))
    monkeypatch.setattr(packing, "LEAST_DIRECT_POSTINGS", 1_500)


def landmarks(made: Fingerprint) -> int:
    return len(index_landmarks(made.peaks)[0])


def store(database: Database, made: Fingerprint) -> tuple[UUID, int]:
    recording_id = claim_one(database)
    with database.transaction() as connection:
        recordings.finish(
            connection, recording_id, MatchStatus.FINGERPRINTED, Reason.NEW, duration_seconds=made.seconds
        )
        number = store_fingerprint(connection, recording_id, made.peaks, made.version, made.seconds)
        # What packing asks of the planner ends with it: the rest of the transaction has other questions.
        assert connection.execute("show enable_indexscan").fetchone() == {"enable_indexscan": "on"}
    return recording_id, number


def rows_of(made: Fingerprint, number: int) -> set[Row]:
    keys, frames = index_landmarks(made.peaks)
    return {(key, number, frame) for key, frame in zip(keys.tolist(), frames.tolist(), strict=True)}


def found(database: Database) -> Counter[Row]:
    keys = np.unique(np.concatenate([index_landmarks(made.peaks)[0] for made in LONG + SHORT]))
    answer = PostgresIndex(database).postings(keys)
    asked = np.repeat(keys, answer.counts).tolist()
    return Counter(zip(asked, answer.recordings.tolist(), answer.frames.tolist(), strict=True))


def row_numbers(database: Database) -> set[int]:
    with database.transaction() as connection:
        return {row["n"] for row in connection.execute("select distinct loc >> 24 as n from fingerprints")}


def ranges(database: Database) -> list[tuple[int, int]]:
    with database.transaction() as connection:
        return [(segment.first_number, segment.last_number) for segment in packed.segments(connection)]


def test_a_long_recording_is_packed_as_it_comes(database: Database) -> None:
    _, short = store(database, SHORT[0])
    pack_index(database)
    _, first = store(database, LONG[0])
    _, second = store(database, LONG[1])
    assert ranges(database) == [(short, short), (first, first), (second, second)]
    assert row_numbers(database) == set()
    everything = rows_of(SHORT[0], short) | rows_of(LONG[0], first) | rows_of(LONG[1], second)
    assert found(database) == Counter(everything)
    assert pack_index(database) == 1
    assert found(database) == Counter(everything)


def test_rows_that_came_before_go_with_it_and_can_be_forgotten(database: Database) -> None:
    forgotten, earlier = store(database, SHORT[0])
    _, kept = store(database, SHORT[1])
    _, number = store(database, LONG[0])
    _, later = store(database, SHORT[2])
    assert ranges(database) == [(earlier, number)]
    assert row_numbers(database) == {later}
    with database.transaction() as connection:
        recordings.delete(connection, forgotten)
    everything = rows_of(SHORT[1], kept) | rows_of(LONG[0], number) | rows_of(SHORT[2], later)
    assert found(database) == Counter(everything)
    pack_index(database)
    assert found(database) == Counter(everything)
    assert row_numbers(database) == set()


def test_more_rows_than_it_has_itself_are_left_to_maintenance(database: Database) -> None:
    stored = [(made, store(database, made)[1]) for made in SHORT]
    _, number = store(database, LONG[0])
    assert ranges(database) == []
    assert row_numbers(database) == {number, *(earlier for _, earlier in stored)}
    assert pack_index(database) == 1
    assert found(database) == Counter(
        rows_of(LONG[0], number).union(*(rows_of(made, earlier) for made, earlier in stored))
    )


def test_nobody_waits_for_a_packing_under_way(database: Database) -> None:
    with database.transaction() as connection:
        packed.lock(connection)
        _, number = store(database, LONG[0])
    assert row_numbers(database) == {number}
    assert found(database) == Counter(rows_of(LONG[0], number))


def test_storing_it_again_replaces_it(database: Database) -> None:
    recording_id, first = store(database, LONG[0])
    with database.transaction() as connection:
        second = store_fingerprint(connection, recording_id, LONG[1].peaks, LONG[1].version, LONG[1].seconds)
    assert found(database) == Counter(rows_of(LONG[1], second))
    assert pack_index(database) == 1
    assert found(database) == Counter(rows_of(LONG[1], second))
    with database.transaction() as connection:
        assert [segment.postings for segment in packed.segments(connection)] == [len(rows_of(LONG[1], second))]
    assert first != second


def test_what_does_not_commit_leaves_nothing(database: Database) -> None:
    _, earlier = store(database, SHORT[0])
    recording_id = claim_one(database)
    with suppress(ZeroDivisionError), database.transaction() as connection:
        store_fingerprint(connection, recording_id, LONG[0].peaks, LONG[0].version, LONG[0].seconds)
        raise ZeroDivisionError
    assert ranges(database) == []
    assert found(database) == Counter(rows_of(SHORT[0], earlier))


def test_packing_is_due_when_enough_came_in_rows_or_in_segments(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "DUE_POSTINGS", landmarks(LONG[1]))
    monkeypatch.setattr(packing, "DUE_SECONDS", 25.0)
    assert not packing.is_due(database)
    store(database, LONG[0])
    assert not packing.is_due(database)  # one segment is as it should be
    store(database, SHORT[0])
    assert not packing.is_due(database)
    store(database, SHORT[1])
    assert packing.is_due(database)  # rows of 30 s
    pack_index(database)
    assert not packing.is_due(database)
    monkeypatch.setattr(packing, "DUE_SECONDS", 1_000.0)
    for made in LONG:
        store(database, made)
    assert packing.is_due(database)  # segments that are to be merged
    pack_index(database)
    assert not packing.is_due(database)
