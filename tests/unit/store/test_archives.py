"""What archives hold, against the schema itself."""

from __future__ import annotations

from sonicgen.store import archives
from sonicgen.store.archive_tables import BY_NAME, LEFT_OUT, TABLES
from sonicgen.store.database import Database


def test_every_table_is_archived_or_left_out_for_a_reason(database: Database) -> None:
    with database.transaction() as connection:
        rows = connection.execute(
            "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') "
            "and not relispartition"
        ).fetchall()
        present = {row["relname"] for row in rows}
        left_out = frozenset().union(*LEFT_OUT.values())
        assert present == {*BY_NAME, *left_out}
        assert not left_out & {*BY_NAME}
        for table in TABLES:
            names = {name for name, _ in archives.columns(connection, table.name)}
            told = {*table.key, *table.apart, *table.cleared, *(column for column, _ in table.offsets)}
            assert told <= names, table.name


def test_what_references_comes_after_what_it_references(database: Database) -> None:
    order = [table.name for table in TABLES]
    with database.transaction() as connection:
        rows = connection.execute(
            "select conrelid::regclass::text as of, confrelid::regclass::text as to from pg_constraint "
            "where contype = 'f' and conrelid <> confrelid"
        ).fetchall()
    pairs = [(row["of"], row["to"]) for row in rows if row["of"] in BY_NAME and row["to"] in BY_NAME]
    assert len(pairs) > 20
    assert [(of, to) for of, to in pairs if order.index(of) < order.index(to)] == []
