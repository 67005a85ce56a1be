from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import sql

from sonicgen.domain.recording import ALLOWED_MOVES
from sonicgen.domain.transcript import TRANSCRIPT_MOVES
from sonicgen.errors import InputError
from sonicgen.store.database import Database
from sonicgen.store.migrations import Migration, migrate, pending_migrations, read_migrations

OBJECTS = """
select format('%s %s', c.relkind, c.relname) as name from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'S', 'i', 'I')
union all
select format('function %s', p.oid::regprocedure) from pg_proc p where p.pronamespace = 'public'::regnamespace
order by 1
"""


def names() -> list[str]:
    return [migration.name for migration in read_migrations()]


def test_replays_from_empty_and_only_once(empty_database_url: str) -> None:
    with Database(empty_database_url) as database:
        assert pending_migrations(database) == names()
        assert migrate(database) == names()
        assert pending_migrations(database) == []
        assert migrate(database) == []


def test_files_are_numbered_without_gaps() -> None:
    assert [int(name[:4]) for name in names()] == list(range(1, len(names()) + 1))


def test_two_processes_may_migrate_at_once(empty_database_url: str) -> None:
    def run() -> list[str]:
        with Database(empty_database_url) as database:
            return migrate(database)

    with ThreadPoolExecutor(4) as pool:
        applied = [future.result() for future in [pool.submit(run) for _ in range(4)]]
    assert sorted(name for part in applied for name in part) == names()


def test_a_changed_file_is_refused_before_anything_runs(database: Database) -> None:
    first, *others = read_migrations()
    changed = Migration(first.name, first.sql + "\n-- another thought")
    new = Migration("9999_new.sql", "create table never_made (id int)")
    with pytest.raises(InputError, match=f"{first.name} was changed"):
        migrate(database, [changed, *others, new])
    with database.transaction() as connection:
        assert connection.execute("select to_regclass('never_made') as made").fetchone() == {"made": None}


def test_a_newer_database_is_refused(database: Database) -> None:
    with pytest.raises(InputError, match="update SonicGen"):
        migrate(database, read_migrations()[:-1])


def test_a_failing_file_leaves_nothing_and_keeps_those_before(database: Database) -> None:
    good = Migration("9998_good.sql", "create table good (id int)")
    bad = Migration("9999_bad.sql", "create table half (id int); select 1 / 0")
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(database, [*read_migrations(), good, bad])
    with database.transaction() as connection:
        row = connection.execute(
            "select to_regclass('good')::text as good, to_regclass('half')::text as half"
        ).fetchone()
    assert row == {"good": "good", "half": None}


def test_the_table_of_moves_is_the_domains(database: Database) -> None:
    with database.transaction() as connection:
        rows = connection.execute("select before, after from match_status_moves").fetchall()
    assert {(row["before"], row["after"]) for row in rows} == {
        (before.value if before else None, after.value) for before, moves in ALLOWED_MOVES.items() for after in moves
    }


def test_the_table_of_transcripts_moves_is_the_domains(database: Database) -> None:
    with database.transaction() as connection:
        rows = connection.execute("select before, after from transcript_moves").fetchall()
    assert {(row["before"], row["after"]) for row in rows} == {
        (before.value, after.value) for before, moves in TRANSCRIPT_MOVES.items() for after in moves
    }


def test_the_columns_have_the_documented_names(database: Database) -> None:
    with database.transaction() as connection:
        rows = connection.execute("select column_name from information_schema.columns where table_name = 'videos'")
        columns = {row["column_name"] for row in rows}
    assert {"id", "youtube_id", "title", "duration_seconds", "original_video_id", "match_status", "reason"} <= columns
    assert "video_id" not in columns


def test_the_public_roles_can_do_nothing(empty_database_url: str) -> None:
    # What Supabase does to its `public` schema before any of our tables exist.
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        for kind in ("tables", "functions", "sequences"):
            connection.execute(
                sql.SQL("alter default privileges in schema public grant all on {} to anon, authenticated").format(
                    sql.SQL(kind)
                )
            )
        connection.execute("grant usage on schema public to anon, authenticated")
    with Database(empty_database_url) as database:
        migrate(database)
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        tables = connection.execute(
            "select relname, relrowsecurity from pg_class "
            "where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
        ).fetchall()
        assert len(tables) > 20  # partitions too
        assert [name for name, protected in tables if not protected] == []
        functions = connection.execute(
            "select oid::regprocedure::text from pg_proc where pronamespace = 'public'::regnamespace "
            # pgvector's own compute with what they are given, and read nothing
            "and not exists (select from pg_depend where objid = pg_proc.oid and deptype = 'e')"
        ).fetchall()
        assert len(functions) >= 5
        for role in ("anon", "authenticated"):
            for (function,) in functions:
                row = connection.execute(
                    "select has_function_privilege(%s, %s, 'execute')", (role, function)
                ).fetchone()
                assert row == (False,), (role, function)
            connection.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
            for name, _ in tables:
                for statement in ("select * from {}", "delete from {}", "truncate {}", "insert into {} default values"):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        connection.execute(sql.SQL(statement).format(sql.Identifier(name)))
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("select nextval('videos_number_seq')")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("select * from find_fingerprint_candidates('{1}', '{1}', 1, 1)")
            connection.execute("reset role")


def test_row_security_hides_rows_even_from_a_role_that_was_granted_them(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("insert into channels (id, title) values ('a', 'A')")
        connection.execute("grant select on channels to anon")
        connection.execute("set local role anon")
        assert connection.execute("select * from channels").fetchall() == []


def test_a_server_without_supabases_roles_is_migrated_too(empty_database_url: str) -> None:
    # Roles belong to the whole server; under other names ours do not exist for a moment, for this transaction only.
    with psycopg.connect(empty_database_url) as connection:
        for role in ("anon", "authenticated"):
            connection.execute(sql.SQL("alter role {0} rename to {1}").format(*map(sql.Identifier, (role, role + "_"))))
        connection.execute("create table schema_migrations (name text, checksum text)")
        for migration in read_migrations():
            connection.execute(migration.sql.encode())
        assert len(connection.execute(OBJECTS).fetchall()) > 50
        connection.rollback()
