from __future__ import annotations

import threading
import time
from collections.abc import Callable

import psycopg
import pytest

from sonicgen.errors import ConflictError, InputError, SettingsError, UnavailableError
from sonicgen.store.database import Database


def test_a_transaction_is_kept_whole_or_not_at_all(database: Database) -> None:
    def fail_halfway() -> None:
        with database.transaction() as connection:
            connection.execute("insert into channels (id, title) values ('a', 'A')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    with database.transaction() as connection:
        assert connection.execute("select * from channels").fetchall() == []


def test_connections_are_reused_and_closed(database: Database) -> None:
    seen = set()
    for _ in range(3):
        with database.transaction() as connection:
            seen.add(connection.info.backend_pid)
    assert len(seen) == 1
    database.close()
    assert connection.closed
    with pytest.raises(UnavailableError, match="closed"), database.transaction():
        pass


def test_no_prepared_statement_and_no_session_state_is_left(database: Database) -> None:
    for number in range(20):
        with database.transaction() as connection:
            connection.execute("select %(number)s::int", {"number": number})
    with database.transaction() as connection:
        assert connection.execute("select * from pg_prepared_statements").fetchall() == []
        changed = "select name from pg_settings where source = 'session' and name not in ('client_encoding')"
        assert connection.execute(changed).fetchall() == []
        assert connection.execute("select * from pg_locks where locktype = 'advisory'").fetchall() == []


def test_a_connection_that_the_server_ended_is_replaced(database: Database) -> None:
    with database.transaction() as first:
        pid = first.info.backend_pid
    with database.transaction() as other, database.transaction() as second:
        assert other.info.backend_pid == pid
        assert second.info.backend_pid != pid
    # Both are idle now: end them behind the database's back.
    with Database(database._url) as helper, helper.transaction() as connection:
        connection.execute(
            "select pg_terminate_backend(pid, 2000) from pg_stat_activity "
            "where pid <> pg_backend_pid() and datname = current_database()"
        )
    with database.transaction() as third:
        assert third.execute("select 1 as one").fetchone() == {"one": 1}


def test_a_connection_that_breaks_in_use_raises_unavailable(database: Database) -> None:
    with pytest.raises(UnavailableError, match="does not answer"), database.transaction() as connection:
        connection.execute("select pg_terminate_backend(pg_backend_pid())")
    with database.transaction() as connection:
        assert connection.execute("select 1 as one").fetchone() == {"one": 1}


def test_no_server_raises_unavailable() -> None:
    database = Database("postgresql:///postgres?host=/nonexistent&user=x")
    with pytest.raises(UnavailableError, match="nonexistent"), database.transaction():
        pass


def test_a_wrong_address_names_the_setting() -> None:
    database = Database("mysql://somewhere")
    with pytest.raises(SettingsError, match="DATABASE_URL"), database.transaction():
        pass


def test_a_mistake_in_sql_is_not_hidden(database: Database) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable), database.transaction() as connection:
        connection.execute("select * from no_such_table")


def test_serialization_failures_are_conflicts(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("insert into channels (id, title) values ('a', 'A')")

    def write_over_another() -> None:
        with database.transaction() as connection:
            connection.execute("set transaction isolation level repeatable read")
            connection.execute("select * from channels")
            with database.transaction() as other:
                other.execute("update channels set title = 'B'")
            connection.execute("update channels set title = 'C'")

    with pytest.raises(ConflictError):
        write_over_another()


def test_deadlocks_are_conflicts(database: Database) -> None:
    met = threading.Barrier(2)
    outcomes: list[str] = []

    def lock(first: int, second: int) -> None:
        try:
            with database.transaction() as connection:
                connection.execute("set local deadlock_timeout = '50ms'")
                connection.execute("select pg_advisory_xact_lock(%s)", (first,))
                met.wait(10)
                connection.execute("select pg_advisory_xact_lock(%s)", (second,))
                outcomes.append("done")
        except ConflictError:
            outcomes.append("conflict")

    threads = [threading.Thread(target=lock, args=pair) for pair in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["conflict", "done"]


def test_no_more_connections_are_opened_than_allowed(
    make_database_url: Callable[[str | None], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sonicgen.store.database._WAIT_SECONDS", 0.05)
    with Database(make_database_url(None), connections=1) as database, database.transaction():
        started = time.monotonic()
        with pytest.raises(UnavailableError, match="busy"), database.transaction():
            pass
        assert time.monotonic() - started < 5


@pytest.mark.parametrize("value", ["a\0b", "\ud800", 2**70], ids=["NUL", "half a character", "too large"])
def test_a_value_that_no_column_holds_is_the_callers(database: Database, value: object) -> None:
    with pytest.raises(InputError), database.transaction() as connection:
        connection.execute("update videos set title = %(v)s::text, size_bytes = %(v)s::text::bigint", {"v": value})
    with database.transaction() as connection:
        assert connection.execute("select 1 as one").fetchall() == [{"one": 1}]
