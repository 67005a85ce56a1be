from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import numpy as np
import pytest

from sonicgen.domain.recording import ALLOWED_MOVES, FINAL_STATUSES, MatchStatus, Reason
from sonicgen.errors import ConflictError, InputError, NotFoundError
from sonicgen.store import postings, recordings
from sonicgen.store.database import Database

from .conftest import Claim


def finish(database: Database, recording_id: UUID, status: MatchStatus, original_id: UUID | None = None) -> None:
    with database.transaction() as connection:
        recordings.finish(connection, recording_id, status, Reason.NEW, duration_seconds=60.0, original_id=original_id)


def store(database: Database, recording_id: UUID) -> int:
    with database.transaction() as connection:
        keys = np.arange(100, dtype=np.int32)
        return postings.store(connection, recording_id, keys, keys, [(0, 0, b"peaks")], index_version=1)


def test_a_first_claim_makes_the_row(database: Database, claim: Claim) -> None:
    made = claim(title="Rain", md5="abc", generation=2**53)
    assert made.match_status is MatchStatus.PENDING
    assert made.attempts == 1
    assert made.created_at is not None
    assert recordings.get(database, made.id) == recordings.find(database, made.id) == made
    assert made.source_uri == "gs://media/audio/rain.mp3"
    assert (made.content_md5, made.generation, made.content_type) == ("abc", 2**53, "audio/mpeg")


def test_an_unclaimed_row_keeps_its_title(database: Database, claim: Claim) -> None:
    recording_id = uuid4()
    with database.transaction() as connection:
        connection.execute(
            "insert into videos (id, title, youtube_id) values (%s, 'A talk', 'dQw4w9WgXcQ')", (recording_id,)
        )
    assert recordings.get(database, recording_id).match_status is None
    claimed = claim(recording_id, title="dQw4w9WgXcQ.m4a")
    assert (claimed.title, claimed.youtube_id, claimed.object_name) == ("A talk", "dQw4w9WgXcQ", "audio/rain.mp3")


def test_ten_workers_that_claim_at_once_make_one_row(database: Database, claim: Claim) -> None:
    recording_id = uuid4()
    together = threading.Barrier(8)

    def work(_: int) -> int:
        together.wait(10)
        return claim(recording_id).attempts

    with ThreadPoolExecutor(8) as pool:
        attempts = list(pool.map(work, range(8)))
    assert sorted(attempts) == list(range(1, 9))
    assert recordings.counts_by_status(database)[MatchStatus.PENDING] == 1


@pytest.mark.parametrize("status", sorted(FINAL_STATUSES - {MatchStatus.MATCHED}))
def test_a_final_recording_is_returned_as_it_is(database: Database, claim: Claim, status: MatchStatus) -> None:
    made = claim()
    finish(database, made.id, status)
    before = recordings.get(database, made.id)
    assert claim(made.id) == before
    with database.transaction() as connection:
        again = recordings.ask_again(connection, made.id)
    assert (again.match_status, again.reason, again.attempts) == (MatchStatus.PENDING, None, 0)
    assert claim(made.id).attempts == 1


def test_only_allowed_moves_are_made(database: Database) -> None:
    states = [None, *MatchStatus]
    for before in states:
        for after in states:
            with database.transaction() as connection:
                row_id = uuid4()
                connection.execute("insert into videos (id, title, reason) values (%s, 'x', 'new')", (row_id,))
                for step in (MatchStatus.PENDING, before):
                    if before is not None:
                        connection.execute("update videos set match_status = %s where id = %s", (step, row_id))
            allowed = after is not None and after in ALLOWED_MOVES[before]
            assert _moves(database, row_id, after) is allowed, (before, after)


def _moves(database: Database, recording_id: UUID, after: MatchStatus | None) -> bool:
    try:
        with database.transaction() as connection:
            connection.execute("update videos set match_status = %s where id = %s", (after, recording_id))
    except ConflictError:
        return False
    return True


def test_no_row_begins_in_a_state_that_it_must_come_to(database: Database) -> None:
    with pytest.raises(ConflictError, match="unclaimed cannot become matched"), database.transaction() as connection:
        connection.execute(
            "insert into videos (id, title, match_status, reason) values (%s, 'x', 'matched', 'new')", (uuid4(),)
        )


def test_a_recording_is_never_its_own_original(database: Database, claim: Claim) -> None:
    made = claim()
    with pytest.raises(Exception, match="videos_not_its_own_original"):
        finish(database, made.id, MatchStatus.MATCHED, original_id=made.id)


def test_finishing_what_was_forgotten_says_so(database: Database) -> None:
    with pytest.raises(NotFoundError):
        finish(database, uuid4(), MatchStatus.FLAG)
    with pytest.raises(NotFoundError):
        recordings.get(database, uuid4())
    with pytest.raises(NotFoundError), database.transaction() as connection:
        recordings.ask_again(connection, uuid4())
    with pytest.raises(NotFoundError), database.transaction() as connection:
        recordings.delete(connection, uuid4())
    assert recordings.find(database, uuid4()) is None


def test_what_becomes_a_copy_leaves_the_index(database: Database, claim: Claim) -> None:
    original, copy = claim(), claim()
    for recording in (original, copy):
        number = store(database, recording.id)
        finish(database, recording.id, MatchStatus.FINGERPRINTED)
    assert recordings.get(database, copy.id).number == number
    with database.transaction() as connection:
        recordings.ask_again(connection, copy.id)
    assert recordings.get(database, copy.id).number == number  # found until it is judged again
    finish(database, copy.id, MatchStatus.MATCHED, original_id=original.id)
    found = recordings.get(database, copy.id)
    assert (found.number, found.index_version, found.original_video_id) == (None, None, original.id)
    with database.transaction() as connection:
        row = connection.execute("select count(*) as n from fingerprints where loc >> 24 = %s", (number,)).fetchone()
        assert row == {"n": 0}
        row = connection.execute("select count(*) as n from recording_peaks where video_id = %s", (copy.id,)).fetchone()
        assert row == {"n": 0}
    assert [r.id for r in recordings.copies_of(database, original.id)] == [copy.id]


def test_a_copy_whose_novel_part_is_stored_stays_in_the_index(database: Database, claim: Claim) -> None:
    original, copy = claim(), claim()
    finish(database, original.id, MatchStatus.FINGERPRINTED)
    finish(database, copy.id, MatchStatus.MATCHED, original_id=original.id)
    number = store(database, copy.id)
    assert recordings.by_numbers(database, {number, 999}) == {number: recordings.get(database, copy.id)}
    assert recordings.by_numbers(database, set()) == {}


def test_identical_bytes_lead_to_the_original_in_the_index(database: Database, claim: Claim) -> None:
    first, second = claim(md5="m"), claim(md5="m")
    claim(md5="m", size_bytes=999)
    for recording in (first, second):
        store(database, recording.id)
    assert recordings.find_identical(database, "m", 1000, not_id=uuid4()) is None  # nothing is final yet
    for recording in (first, second):
        finish(database, recording.id, MatchStatus.FINGERPRINTED)
    found = recordings.find_identical(database, "m", 1000, not_id=uuid4())
    assert found is not None
    assert found.id == first.id
    found = recordings.find_identical(database, "m", 1000, not_id=first.id)
    assert found is not None
    assert found.id == second.id
    assert recordings.find_identical(database, "other", 1000, not_id=first.id) is None


def test_paging_meets_every_recording_once(database: Database, claim: Claim) -> None:
    ids = {claim().id for _ in range(23)}
    with database.transaction() as connection:  # equal times, and some without a duration: both broke older pagers
        connection.execute("update videos set created_at = timestamptz '2026-01-01'")
        connection.execute("update videos set duration_seconds = 5 where id < '80000000-0000-0000-0000-000000000000'")
    seen, cursor, pages = [], None, 0
    while True:
        page = recordings.list_page(database, limit=5, cursor=cursor)
        seen += [recording.id for recording in page.recordings]
        pages += 1
        if pages == 2:
            claim(title="arrives meanwhile")
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
        assert pages < 10
    assert pages == 5
    assert len(seen) == 23
    assert set(seen) == ids


def test_a_list_is_newest_first_and_by_state(database: Database, claim: Claim) -> None:
    old, new = claim(), claim()
    finish(database, old.id, MatchStatus.FLAG)
    assert [r.id for r in recordings.list_page(database).recordings] == [new.id, old.id]
    page = recordings.list_page(database, status=MatchStatus.FLAG)
    assert [r.id for r in page.recordings] == [old.id]
    assert page.next_cursor is None
    assert recordings.list_page(database, limit=2).next_cursor is None
    assert recordings.counts_by_status(database) == {
        None: 0,
        MatchStatus.PENDING: 1,
        MatchStatus.FLAG: 1,
        MatchStatus.FINGERPRINTED: 0,
        MatchStatus.MATCHED: 0,
        MatchStatus.TOO_SHORT: 0,
    }


def test_people_name_recordings_by_the_beginning_of_their_id(database: Database, claim: Claim) -> None:
    one, two = UUID("abcd1234-0000-4000-8000-000000000001"), UUID("abcd9999-0000-4000-8000-000000000002")
    claim(one, title="Rain", object_name="audio/rain.mp3")
    claim(two, title="Sea", object_name="audio/sea.mp3")
    for text in (str(one), "abcd1", "ABCD1234", "abcd1234-0000", "Rain", " audio/rain.mp3 "):
        assert recordings.get_by_prefix(database, text).id == one
    with pytest.raises(InputError, match="several"):
        recordings.get_by_prefix(database, "abcd")
    for text in ("ffff", "no such", "", "%", "abcd1234-0000-4000-8000-0000000000011"):
        with pytest.raises(NotFoundError):
            recordings.get_by_prefix(database, text)


def test_forgetting_takes_everything_and_opens_the_copies(database: Database, claim: Claim) -> None:
    original, other, copy = claim(), claim(), claim()
    numbers = [store(database, recording.id) for recording in (original, other)]
    for recording in (original, other):
        finish(database, recording.id, MatchStatus.FINGERPRINTED)
    finish(database, copy.id, MatchStatus.MATCHED, original_id=original.id)
    with database.transaction() as connection:
        assert recordings.delete(connection, original.id) == [copy.id]
    assert recordings.find(database, original.id) is None
    orphan = recordings.get(database, copy.id)
    assert (orphan.match_status, orphan.original_video_id, orphan.reason) == (MatchStatus.PENDING, None, None)
    assert [r.id for r in recordings.pending_since(database, 3600, 10)] == [copy.id]
    with database.transaction() as connection:
        rows = connection.execute("select loc >> 24 as number, count(*) as n from fingerprints group by 1").fetchall()
        assert rows == [{"number": numbers[1], "n": 100}]
        assert connection.execute("select video_id from recording_peaks").fetchall() == [{"video_id": other.id}]
    assert postings.indexed_seconds(database) == 60.0


def test_stranded_recordings_are_found_and_busy_ones_left_alone(database: Database, claim: Claim) -> None:
    stranded, busy, done = claim(), claim(), claim()
    finish(database, done.id, MatchStatus.FLAG)
    with database.transaction() as connection:
        connection.execute(
            "update videos set claimed_at = now() - interval '2 hours' where id = any(%s)", ([stranded.id, done.id],)
        )
    assert [r.id for r in recordings.pending_since(database, 3600, 10)] == [stranded.id]
    assert {r.id for r in recordings.pending_since(database, 0, 10)} == {stranded.id, busy.id}
    assert len(recordings.pending_since(database, 0, 1)) == 1
    with database.transaction() as connection:
        recordings.ask_again(connection, stranded.id)
    assert recordings.pending_since(database, 3600, 10) == []
