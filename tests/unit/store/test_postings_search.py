"""Who votes for which recording and place, and what a search reads for it."""

from __future__ import annotations

from uuid import UUID, uuid4

import numpy as np
import pytest

from sonicgen.store import postings
from sonicgen.store.database import Database
from sonicgen.store.postings import PostingVotes
from tests.unit.store.postings import ints, search, store, stored, vote

from .conftest import Claim


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
    assert postings.state(database).latest_number == 0
    first = store(database, claim().id, ints(1, 2), ints(0, 1))
    assert postings.state(database).latest_number == first
    assert search(database, ints(1, 2), ints(0, 1), after_number=first) == []
    second = store(database, claim().id, ints(1, 2), ints(8, 9))
    assert search(database, ints(1, 2), ints(0, 1), after_number=first) == [PostingVotes(second, 8, 2)]


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
