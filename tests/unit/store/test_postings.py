from __future__ import annotations

import threading
from collections import Counter
from itertools import pairwise
from uuid import UUID, uuid4

import numpy as np
import pytest
from numpy.typing import NDArray

from sonicgen.domain.recording import MatchStatus, Reason
from sonicgen.errors import NotFoundError
from sonicgen.store import postings, recordings
from sonicgen.store.database import Database
from sonicgen.store.postings import PostingVotes

from .conftest import Claim

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
    assert postings.latest_number(database) == number


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


def test_a_clip_is_found_where_it_is_from(database: Database, claim: Claim) -> None:
    rng = np.random.default_rng(7)
    for _ in range(3):
        store(database, claim().id, rng.integers(0, 2**29, 5000).astype(np.int32), np.arange(5000, dtype=np.int32))
    keys, frames = rng.integers(0, 2**29, 5000).astype(np.int32), np.arange(5000, dtype=np.int32)
    number = store(database, claim().id, keys, frames)
    found = search(database, keys[1234:1634], frames[1234:1634] - 1234)
    assert found[0] == PostingVotes(number, 1234, 400)


@pytest.mark.parametrize("offset", [0, 3, 7, -5, -8, 100_000])
def test_an_offset_that_straddles_two_bins_keeps_its_votes(database: Database, claim: Claim, offset: int) -> None:
    jitter = np.tile(ints(-1, 0, 1), 20)
    query = np.arange(60, dtype=np.int32) * 10 + 100
    number = store(database, claim().id, np.arange(60, dtype=np.int32), query + offset + jitter)
    (found,) = search(database, np.arange(60, dtype=np.int32), query)
    assert (found.number, found.votes) == (number, 60)
    assert abs(found.delta - offset) <= 1


def test_votes_are_counted_as_the_plain_way_counts_them(database: Database, claim: Claim) -> None:
    rng = np.random.default_rng(11)
    for _ in range(6):
        n = 1500
        keys = np.minimum(rng.geometric(0.02, n), 400).astype(np.int32)  # few keys, some very common
        store(database, claim().id, keys, rng.integers(0, 2000, n).astype(np.int32))
    entries = list(stored(database))
    keys, frames = rng.integers(1, 300, 200).astype(np.int32), rng.integers(0, 400, 200).astype(np.int32)
    for cap in (20, 60, 1000):
        expected = vote(entries, keys, frames, cap)
        found = search(database, keys, frames, limit=len(expected) + 1, max_postings=cap)
        assert [(row.votes, row.number) for row in found] == expected
        assert search(database, keys, frames, limit=7, max_postings=cap) == found[:7]


def test_a_landmark_votes_once_for_a_bin(database: Database, claim: Claim) -> None:
    number = store(database, claim().id, ints(1, 1, 1, 2), ints(80, 81, 82, 83))
    assert search(database, ints(1, 1), ints(0, 0)) == [PostingVotes(number, 80, 1)]
    assert [row.votes for row in search(database, ints(1, 2), ints(0, 0))] == [2]


def test_a_common_key_is_left_out_whole_for_every_recording(database: Database, claim: Claim) -> None:
    ids = sorted(uuid4() for _ in range(11))
    for recording_id in ids:
        claim(recording_id)
        store(database, recording_id, ints(1), ints(50))
    perfect = claim(UUID(int=2**128 - 1))  # the highest id there is: a cap that keeps the lowest would lose it
    keys = ints(1, *range(100, 130))
    number = store(database, perfect.id, keys, np.arange(31, dtype=np.int32))
    found = search(database, keys, np.arange(31, dtype=np.int32), max_postings=11)
    assert found == [PostingVotes(number, 0, 30)]
    found = search(database, keys, np.arange(31, dtype=np.int32), max_postings=12, limit=50)
    assert found[0] == PostingVotes(number, 0, 31)
    assert len(found) == 12


def test_noisy_keys_take_no_part(database: Database, claim: Claim) -> None:
    number = store(database, claim().id, ints(1, 2, -3), ints(0, 1, 2))
    postings.add_noisy(database, ints(2, 2, -3), "room tone")
    postings.add_noisy(database, ints(2), "again")
    assert search(database, ints(1, 2, -3), ints(0, 1, 2)) == [PostingVotes(number, 0, 1)]
    postings.remove_noisy(database, ints(2))
    assert search(database, ints(1, 2, -3), ints(0, 1, 2)) == [PostingVotes(number, 0, 2)]


def test_only_what_came_later_can_be_asked_for(database: Database, claim: Claim) -> None:
    assert postings.latest_number(database) == 0
    first = store(database, claim().id, ints(1, 2), ints(0, 1))
    assert postings.latest_number(database) == first
    assert search(database, ints(1, 2), ints(0, 1), after_number=first) == []
    second = store(database, claim().id, ints(1, 2), ints(8, 9))
    assert search(database, ints(1, 2), ints(0, 1), after_number=first) == [PostingVotes(second, 8, 2)]


def test_a_number_is_never_given_twice(database: Database, claim: Claim) -> None:
    recording = claim()
    first = store(database, recording.id, ints(1), ints(1))
    with database.transaction() as connection:
        recordings.delete(connection, recording.id)
    assert store(database, claim().id, ints(1), ints(1)) > first


def test_an_empty_query_and_an_empty_index_give_nothing(database: Database, claim: Claim) -> None:
    assert search(database, ints(1), ints(1)) == []
    store(database, claim().id, ints(1), ints(1))
    assert search(database, ints(), ints()) == []


def test_only_segments_that_reach_into_the_range_are_read(database: Database, claim: Claim) -> None:
    recording = claim()
    segments = [(0, 0, b"a"), (1, 4096, b"b"), (2, 8192, b"c"), (5, 20480, b"d")]
    with database.transaction() as connection:
        number = postings.store(connection, recording.id, ints(), ints(), iter(segments), index_version=1)

    def read(first: int, last: int) -> str:
        return "".join(data.decode() for _, data in postings.peak_segments(database, [(number, first, last)])[0])

    assert read(0, 0) == "a"
    assert read(-50, 4095) == "a"
    assert read(4095, 4096) == "ab"
    assert read(5000, 9000) == "bc"
    assert read(9000, 20479) == "c"
    assert read(30000, 40000) == "d"
    assert read(-10, -1) == ""
    assert postings.peak_segments(database, [(number, 4096, 4096)])[0] == [(4096, b"b")]


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
            seen = postings.latest_number(database)
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


def scans(database: Database) -> dict[str, int]:
    """Return how the index's tables were read since they were made: whole, by B-tree, by block ranges."""
    with database.transaction() as connection:
        row = connection.execute(
            "select (select sum(seq_scan) from pg_stat_user_tables where relname like 'fingerprints_%') as whole, "
            "sum(idx_scan) filter (where indexrelname like '%key_loc_idx') as tree_scans, "
            "sum(idx_tup_read) filter (where indexrelname like '%key_loc_idx') as tree_rows, "
            "sum(idx_scan) filter (where indexrelname not like '%key_loc_idx') as range_scans "
            "from pg_stat_user_indexes where relname like 'fingerprints_%'"
        ).fetchone()
    assert row is not None
    return {name: int(value) for name, value in row.items()}


def test_a_search_and_a_removal_never_read_the_whole_index(database: Database, claim: Claim) -> None:
    rng = np.random.default_rng(13)
    recording = claim()
    for n in (20_000, 20_000, 1_000):  # no statistics were gathered: the plans must not depend on them
        recording = claim()
        store(database, recording.id, rng.integers(0, 2**20, n).astype(np.int32), np.arange(n, dtype=np.int32))
    before = scans(database)
    with database.transaction() as connection:
        postings.candidates_within(connection, ints(1, 2, 3), ints(1, 2, 3), limit=5, max_postings=10)
        connection.execute("delete from videos where id = %s", (recording.id,))
        connection.execute("select pg_stat_force_next_flush()")
    after = scans(database)
    assert after["whole"] == before["whole"]
    assert after["tree_scans"] - before["tree_scans"] == 3  # one probe a key
    assert after["range_scans"] - before["range_scans"] == 16  # one a partition


def test_the_work_of_a_search_is_bounded_by_the_query(database: Database, claim: Claim) -> None:
    store(database, claim().id, np.full(30_000, 7, np.int32), np.arange(30_000, dtype=np.int32))
    before = scans(database)
    with database.transaction() as connection:
        assert postings.candidates_within(connection, ints(7, 7), ints(0, 1), limit=5, max_postings=100) == []
        connection.execute("select pg_stat_force_next_flush()")
    assert scans(database)["tree_rows"] - before["tree_rows"] == 101


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
    assert postings.latest_number(database) == 6
    assert all(before <= after for before, after in pairwise(seen))
