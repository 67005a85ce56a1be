from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import psycopg
import pytest

from sonicgen.domain.match import Decision, Match
from sonicgen.errors import ConflictError
from sonicgen.store import matches, recordings
from sonicgen.store.database import Database

from .conftest import Claim

MATCH = Match(7, 1.0, 9.5, 101.0, 109.67, 1.02, 1.0, 321.0, 0.999, -42.5, Decision.MATCH)
UNSURE = Match(8, 0.25, 0.5, 0.0, 0.25, 1.0, 0.98, 9.0, 0.4, -1.0, Decision.UNSURE)


def test_matches_come_back_as_they_were_put(database: Database, claim: Claim) -> None:
    query, one, two = claim(), claim(), claim()
    with database.transaction() as connection:
        matches.replace(connection, query.id, [(one.id, MATCH), (two.id, UNSURE)], "fingerprint_match")
    unsure, match = matches.of(database, query.id)
    assert (match.video_id, match.reference_id, match.decided_by) == (query.id, one.id, "fingerprint_match")
    for name in Match.__slots__:
        if name != "recording":
            assert getattr(match, name) == getattr(MATCH, name)
            assert getattr(unsure, name) == getattr(UNSURE, name)
    assert matches.copies_of(database, one.id) == [match]
    assert matches.copies_of(database, query.id) == []
    assert matches.of(database, uuid4()) == []


def test_the_json_form_is_plain(database: Database, claim: Claim) -> None:
    query, one = claim(), claim()
    with database.transaction() as connection:
        matches.replace(connection, query.id, [(one.id, MATCH)], "fingerprint_match")
    (stored,) = matches.of(database, query.id)
    form = stored.to_json()
    assert form["reference_video_id"] == str(one.id)
    assert form["decision"] == "match"
    assert form["reference_end_seconds"] == 109.67
    assert all(isinstance(value, str | float | None) for value in form.values())


def test_replacing_leaves_only_the_new(database: Database, claim: Claim) -> None:
    query, other, one = claim(), claim(), claim()
    for found in ([(one.id, MATCH), (one.id, UNSURE)], [(one.id, UNSURE)]):
        with database.transaction() as connection:
            matches.replace(connection, query.id, found, "x")
            matches.replace(connection, other.id, [(one.id, MATCH)], "x")
    assert [match.decision for match in matches.of(database, query.id)] == [Decision.UNSURE]
    assert len(matches.of(database, other.id)) == 1
    with database.transaction() as connection:
        matches.replace(connection, query.id, [], "x")
    assert matches.of(database, query.id) == []


def test_what_a_person_reviewed_outlives_a_new_search(database: Database, claim: Claim) -> None:
    query, one, two = claim(), claim(), claim()
    elsewhere = replace(MATCH, query_start_seconds=30.0, query_end_seconds=40.0)
    with database.transaction() as connection:
        matches.replace(connection, query.id, [(one.id, MATCH), (two.id, MATCH), (one.id, elsewhere)], "x")
    stored = matches.of(database, query.id)
    rejected = next(m for m in stored if m.reference_id == one.id and m.query_start_seconds == 1.0)
    gone = next(m for m in stored if m.reference_id == two.id)
    with database.transaction() as connection:
        matches.set_review(connection, rejected.id, "rejected", "me")
        matches.set_review(connection, gone.id, "accepted", "me")
    again = replace(MATCH, query_start_seconds=1.2, probability=0.9, score=111.0)
    for _ in range(2):
        with database.transaction() as connection:
            matches.replace(connection, query.id, [(one.id, elsewhere), (one.id, again)], "y")
        now = {match.id: match for match in matches.of(database, query.id)}
        assert len(now) == 3
        assert (now[rejected.id].review, now[rejected.id].reviewed_by) == ("rejected", "me")
        assert (now[rejected.id].score, now[rejected.id].decided_by) == (111.0, "y")
        assert now[gone.id].review == "accepted"  # it is not found any more, and a person's word stands


def test_matches_leave_with_either_recording(database: Database, claim: Claim) -> None:
    query, one, two = claim(), claim(), claim()
    with database.transaction() as connection:
        matches.replace(connection, query.id, [(one.id, MATCH), (two.id, MATCH)], "x")
    with database.transaction() as connection:
        recordings.delete(connection, one.id)
    assert [match.reference_id for match in matches.of(database, query.id)] == [two.id]
    with database.transaction() as connection:
        recordings.delete(connection, query.id)
    assert matches.copies_of(database, two.id) == []


def test_a_match_with_what_was_forgotten_is_a_conflict(database: Database, claim: Claim) -> None:
    query, one = claim(), claim()
    with database.transaction() as connection:
        matches.replace(connection, query.id, [(one.id, MATCH)], "x")
    with pytest.raises(ConflictError, match="forgotten"), database.transaction() as connection:
        matches.replace(connection, query.id, [(uuid4(), MATCH)], "x")
    assert len(matches.of(database, query.id)) == 1


def test_nothing_matches_itself(database: Database, claim: Claim) -> None:
    query = claim()
    with pytest.raises(psycopg.errors.CheckViolation), database.transaction() as connection:
        matches.replace(connection, query.id, [(query.id, MATCH)], "x")
