from __future__ import annotations

from uuid import uuid4

import pytest

from sonicgen.errors import NotFoundError
from sonicgen.store import decisions
from sonicgen.store.database import Database


def test_a_decision_is_found_by_each_of_its_subjects(database: Database) -> None:
    copy, original = uuid4(), uuid4()
    with database.transaction() as connection:
        made = decisions.record(
            connection, "link", [copy, original], decided_by="fingerprint_match", thresholds={"coverage": 0.9}
        )
        decisions.record(connection, "store", [original], decided_by="fingerprint_match", thresholds={})
    assert decisions.about(database, copy) == [made]
    assert [decision.kind for decision in decisions.about(database, original)] == ["link", "store"]
    assert made.subject_ids == (copy, original)
    assert made.thresholds == {"coverage": 0.9}
    assert made.undone_at is None


def test_a_decision_is_undone_once(database: Database) -> None:
    subject = uuid4()
    with database.transaction() as connection:
        made = decisions.record(connection, "link", [subject], decided_by="someone", thresholds={})
    with database.transaction() as connection:
        first = decisions.undo(connection, made.id)
    with database.transaction() as connection:
        second = decisions.undo(connection, made.id)
    assert first.undone_at is not None
    assert first == second == decisions.about(database, subject)[0]
    with pytest.raises(NotFoundError), database.transaction() as connection:
        decisions.undo(connection, uuid4())
