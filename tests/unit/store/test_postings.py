"""What is stored of a fingerprint, and what is gone when it is replaced or deleted."""

from __future__ import annotations

import threading
from collections import Counter
from itertools import pairwise
from uuid import UUID, uuid4

import numpy as np
import pytest

from sonicgen.domain.recording import MatchStatus, Reason
from sonicgen.errors import NotFoundError
from sonicgen.store import postings, recordings
from sonicgen.store.database import Database
from tests.unit.store.postings import ints, search, store, stored

from .conftest import Claim


def test_the_postings_are_stored_exactly(database: Database, claim: Claim) -> None:
    rng = np.random.default_rng(3)
    recording = claim()
    keys = rng.integers(-(2**31), 2**31, 120_000).astype(np.int32)  # more than one block
    frames = rng.integers(0, 2**24, 120_000).astype(np.int32)
    keys[:2], frames[:2] = (2**31 - 1, -(2**31)), (2**24 - 1, 0)
    number = store(database, recording.id, keys, frames)
    assert stored(database) == Counter(
        {(number, key, frame): 1 for key, frame in zip(keys.tolist(), frames.tolist(), strict=True)}
    )
    assert recordings.get(database, recording.id).index_version == 1


def test_a_landmark_that_comes_twice_is_stored_once(database: Database, claim: Claim) -> None:
    number = store(database, claim().id, ints(5, 5, 5), ints(9, 9, 10))
    assert stored(database) == Counter({(number, 5, 9): 1, (number, 5, 10): 1})


def test_a_recording_without_landmarks_can_be_stored(database: Database, claim: Claim) -> None:
    number = store(database, claim().id, ints(), ints())
    assert stored(database) == Counter()
    assert postings.state(database).latest_number == number


def test_storing_again_replaces_exactly(database: Database, claim: Claim) -> None:
    one, two = claim(), claim()
    first = store(database, one.id, ints(1, 2, 3), ints(10, 20, 30), b"old")
    other = store(database, two.id, ints(1, 2, 3), ints(10, 20, 30), b"two")
    again = store(database, one.id, ints(3, 4), ints(30, 40), b"new")
    assert first < other < again
    rows = [(other, 1, 10), (other, 2, 20), (other, 3, 30), (again, 3, 30), (again, 4, 40)]
    assert stored(database) == Counter(rows)
    assert postings.peak_segments(database, [(again, 0, 100)])[0] == [(0, b"new")]
    assert postings.peak_segments(database, [(first, 0, 100)])[0] == []


def test_deleting_many_recordings_removes_exactly_theirs(database: Database, claim: Claim) -> None:
    rng = np.random.default_rng(5)
    numbers: dict[UUID, int] = {}
    for _ in range(12):
        keys = rng.integers(0, 50, 3000).astype(np.int32)
        recording = claim()
        numbers[recording.id] = store(database, recording.id, keys, np.arange(3000, dtype=np.int32))
    doomed = list(numbers)[1:11:2]
    with database.transaction() as connection:  # one statement, many rows
        connection.execute("delete from videos where id = any(%s)", (doomed,))
    # Freed room is used again: block ranges no longer hold one recording each, and removal must stay exact.
    for _ in range(4):
        recording = claim()
        numbers[recording.id] = store(database, recording.id, ints(*range(3000)), np.arange(3000, dtype=np.int32))
    with database.transaction() as connection:
        recordings.delete(connection, next(iter(numbers)))
        postings.remove(connection, list(numbers)[2])
    gone = {*doomed, next(iter(numbers)), list(numbers)[2]}
    counts = Counter(number for number, _, _ in stored(database).elements())
    assert counts == {number: 3000 for recording, number in numbers.items() if recording not in gone}
    assert recordings.get(database, list(numbers)[2]).number is None


def test_wrong_input_is_refused(database: Database, claim: Claim) -> None:
    recording = claim()
    for keys, frames in ((ints(1), ints()), (ints(1), ints(-1)), (ints(1), ints(1 << 24))):
        with pytest.raises(ValueError, match=r"[Ff]rame"):
            store(database, recording.id, keys, frames)
    with pytest.raises(NotFoundError):
        store(database, uuid4(), ints(1), ints(1))
    assert stored(database) == Counter()


def test_a_store_that_is_rolled_back_leaves_nothing(database: Database, claim: Claim) -> None:
    recording = claim()
    number = store(database, recording.id, ints(1), ints(1), b"old")

    def fail_after_storing() -> None:
        with database.transaction() as connection:
            postings.store(connection, recording.id, ints(2), ints(2), [(0, 0, b"new")], index_version=2)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_storing()
    assert stored(database) == Counter([(number, 1, 1)])
    assert postings.peak_segments(database, [(number, 0, 9)])[0] == [(0, b"old")]


def test_a_number_is_never_given_twice(database: Database, claim: Claim) -> None:
    recording = claim()
    first = store(database, recording.id, ints(1), ints(1))
    with database.transaction() as connection:
        recordings.delete(connection, recording.id)
    assert store(database, claim().id, ints(1), ints(1)) > first


def test_the_indexed_seconds_follow_every_change(database: Database, claim: Claim) -> None:
    ids = [claim().id for _ in range(4)]
    for recording_id, seconds in zip(ids, (1.0, 20.5, 300.25, 0.001), strict=True):
        store(database, recording_id, ints(1), ints(1))
        with database.transaction() as connection:
            recordings.finish(connection, recording_id, MatchStatus.FINGERPRINTED, Reason.NEW, duration_seconds=seconds)
    assert postings.indexed_seconds(database) == 321.751
    store(database, ids[1], ints(1), ints(1))
    assert postings.indexed_seconds(database) == 321.751
    with database.transaction() as connection:
        postings.remove(connection, ids[2])
        recordings.delete(connection, ids[0])
    assert postings.indexed_seconds(database) == 20.501
    assert postings.storage_bytes(database) > 0


def test_two_equal_files_that_arrive_at_once_are_one_original_and_one_copy(database: Database, claim: Claim) -> None:
    keys = np.arange(50, dtype=np.int32)
    ids = [claim().id, claim().id]
    searched = threading.Barrier(2)
    errors: list[BaseException] = []

    def work(recording_id: UUID) -> None:
        try:
            seen = postings.state(database).latest_number
            assert search(database, keys, keys, after_number=None) == []
            searched.wait(10)  # both have looked, neither has stored
            with database.transaction() as connection:
                postings.lock_index(connection)
                found = postings.candidates_within(connection, keys, keys, limit=1, max_postings=100, after_number=seen)
                if found:
                    original = recordings.by_numbers(database, {found[0].number})[found[0].number]
                    recordings.finish(
                        connection, recording_id, MatchStatus.MATCHED, Reason.DUPLICATE, original_id=original.id
                    )
                else:
                    postings.store(connection, recording_id, keys, keys, [], index_version=1)
                    recordings.finish(connection, recording_id, MatchStatus.FINGERPRINTED, Reason.NEW)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(recording_id,)) for recording_id in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    final = {recordings.get(database, recording_id).match_status for recording_id in ids}
    assert final == {MatchStatus.FINGERPRINTED, MatchStatus.MATCHED}


def test_numbers_become_visible_in_their_order(database: Database, claim: Claim) -> None:
    ids = [claim().id for _ in range(6)]
    seen: list[int] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            with database.transaction() as connection:
                rows = connection.execute("select number from videos where number is not null").fetchall()
            seen.append(len(rows))
            assert sorted(row["number"] for row in rows) == list(range(1, len(rows) + 1))

    watcher = threading.Thread(target=watch)
    watcher.start()
    keys = np.arange(2000, dtype=np.int32)
    writers = [threading.Thread(target=store, args=(database, recording_id, keys, keys)) for recording_id in ids]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    watcher.join()
    assert postings.state(database).latest_number == 6
    assert all(before <= after for before, after in pairwise(seen))
