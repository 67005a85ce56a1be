"""Spreading the index: what Citus is asked, and that the spread search answers as the other one does.

Citus cannot be installed here. Its functions are played by ones that write down what they are asked; what nodes make
of it is not tested.
"""

from __future__ import annotations

import numpy as np
import psycopg
import pytest

from sonicgen.errors import SettingsError
from sonicgen.steps.pack_index import pack_index
from sonicgen.store import distributed, postings
from sonicgen.store.database import Database
from sonicgen.store.distributed import spread_index
from tests.unit.steps.test_search_index import MADE, store

_CITUS = """
create table pg_dist_partition (logicalrelid regclass, spread_by text);
create function create_reference_table(name text) returns void language sql as
    $$ insert into pg_dist_partition values (name::regclass, null) $$;
create function create_distributed_table(name text, spread_by text, colocate_with text) returns void language sql as
    $$ insert into pg_dist_partition values (name::regclass, spread_by) $$;
"""


@pytest.fixture
def citus(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A database that looks as if it had Citus."""
    with database.transaction() as connection:
        connection.execute(_CITUS.encode())
    statements = {**distributed._SQL, "has_citus": b"select true as there"}
    monkeypatch.setattr(distributed, "_SQL", statements)
    return database


def test_without_citus_it_says_what_to_do(database: Database) -> None:
    with pytest.raises(SettingsError, match="create extension citus"):
        spread_index(database)


def test_each_table_is_spread_once_by_what_searches_ask_for(citus: Database) -> None:
    spread_index(citus)
    spread_index(citus)
    with citus.transaction() as connection:
        rows = connection.execute("select logicalrelid::text as name, spread_by from pg_dist_partition").fetchall()
    assert {row["name"]: row["spread_by"] for row in rows} == {
        "packed_segments": None,
        "packed_forgotten": None,
        "noisy_hashes": None,
        "fingerprints": "key",
        "packed_postings": "block",
    }
    assert len(rows) == 5


def test_every_unique_key_holds_the_column_that_spreads(citus: Database) -> None:
    """Which Citus asks for; and a spread table refers to none that is not on every node."""
    spread_index(citus)
    with citus.transaction() as connection:
        keys = connection.execute(
            "select p.spread_by, array(select a.attname::text from pg_attribute a where a.attrelid = i.indrelid "
            "and a.attnum = any(i.indkey::int2[])) as columns from pg_dist_partition p "
            "join pg_index i on i.indrelid = p.logicalrelid and i.indisunique where p.spread_by is not null"
        ).fetchall()
        references = connection.execute(
            "select c.confrelid::regclass::text as name from pg_dist_partition p join pg_constraint c "
            "on c.conrelid = p.logicalrelid and c.contype = 'f'"
        ).fetchall()
        everywhere = connection.execute(
            "select logicalrelid::text as name from pg_dist_partition where spread_by is null"
        ).fetchall()
    assert keys
    assert all(row["spread_by"] in row["columns"] for row in keys)
    assert {row["name"] for row in references} <= {row["name"] for row in everywhere}


@pytest.mark.parametrize("after", [None, 1])
def test_the_spread_search_gives_the_same_postings(citus: Database, after: int | None) -> None:
    for made in MADE[:2]:
        store(citus, made)
    pack_index(citus)
    for made in MADE[2:]:
        store(citus, made)
    with citus.transaction() as connection:
        connection.execute("insert into noisy_hashes select key, 'test' from fingerprints limit 3")
        connection.execute("delete from videos where number = 2")
        found = connection.execute("select distinct key from fingerprints").fetchall()
    keys = np.sort(np.array([row["key"] for row in found] + [-5, 7], np.int32))

    def ask(most: int) -> postings.FoundPostings:
        return postings.postings_of(citus, np.unique(keys), max_postings=most, after_number=after)

    before = [ask(2_000), ask(1)]
    spread_index(citus)
    for one, other in zip(before, [ask(2_000), ask(1)], strict=True):
        np.testing.assert_array_equal(one.keys, other.keys)
        np.testing.assert_array_equal(one.locs, other.locs)
        np.testing.assert_array_equal(np.sort(one.noisy), np.sort(other.noisy))
        np.testing.assert_array_equal(one.forgotten, other.forgotten)
        assert _blocks(one) == _blocks(other)
        assert len(one.locs)


def _blocks(found: postings.FoundPostings) -> set[tuple[int, int, bytes]]:
    ends = np.asarray(found.blocks.ends)
    starts = np.concatenate(([0], ends[:-1]))
    data = bytes(found.blocks.data)
    return {
        (int(first), int(block), data[start:end])
        for first, block, start, end in zip(found.blocks.first_numbers, found.blocks.blocks, starts, ends, strict=True)
    }


def test_the_search_stays_shut_to_the_public(citus: Database) -> None:
    spread_index(citus)
    with pytest.raises(psycopg.errors.InsufficientPrivilege), citus.transaction() as connection:
        connection.execute("set local role anon; select find_fingerprint_postings('{1}', 1)")
