"""Databases for tests: one embedded server a session, one fresh and migrated database a test.

Loaded once for the whole run as a plugin: `pytest_plugins = ["tests.postgres_fixture"]` in the conftest.py at the root,
or `-p tests.postgres_fixture`; imported into several conftests, each would start a server of its own.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from sonicgen.local.postgres import LocalPostgres
from sonicgen.store.database import Database
from sonicgen.store.migrations import migrate

_TEMPLATE = "sonicgen_template"
_numbers = itertools.count(1)


def url_of(server: LocalPostgres, name: str) -> str:
    """Return the address of one database of the server."""
    return server.url.replace("///postgres?", f"///{name}?")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[LocalPostgres]:
    """One running server with the roles that Supabase has."""
    folder = Path(tempfile.mkdtemp(prefix="sonicgen-test-"))
    try:
        with LocalPostgres(folder / "postgres") as server:
            with psycopg.connect(server.url, autocommit=True) as connection:
                for role in ("anon", "authenticated"):
                    connection.execute(f"create role {role} nologin")
            yield server
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def database_template(postgres_server: LocalPostgres) -> str:
    """The name of a migrated database to copy."""
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute(f"create database {_TEMPLATE}")
    with Database(url_of(postgres_server, _TEMPLATE)) as database:
        migrate(database)
    return _TEMPLATE


@pytest.fixture
def make_database_url(postgres_server: LocalPostgres) -> Iterator[Callable[[str | None], str]]:
    """Make databases: a copy of the named one, or (None) an empty one; they are dropped after the test."""
    made: list[str] = []

    def make(template: str | None) -> str:
        name = f"test_{next(_numbers)}"
        with psycopg.connect(postgres_server.url, autocommit=True) as connection:
            copy = f" template {template} strategy file_copy" if template else ""
            connection.execute(f"create database {name}{copy}")
        made.append(name)
        return url_of(postgres_server, name)

    yield make
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        for name in made:
            connection.execute(f"drop database {name} with (force)")


@pytest.fixture
def empty_database_url(make_database_url: Callable[[str | None], str]) -> str:
    """The address of a database without any table."""
    return make_database_url(None)


@pytest.fixture
def database_url(make_database_url: Callable[[str | None], str], database_template: str) -> str:
    """The address of a fresh database with SonicGen's tables."""
    return make_database_url(database_template)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh database with SonicGen's tables."""
    with Database(database_url) as fresh:
        yield fresh
