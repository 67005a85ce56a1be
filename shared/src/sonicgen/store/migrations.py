"""The schema, as numbered files that are applied once each and never changed afterwards."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sonicgen.errors import InputError
from sonicgen.store.database import Connection, Database
from sonicgen.store.statements import SQL_FOLDER, load_statements

_SQL = load_statements("migrations")


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of `sql/migrations`."""

    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Its content's SHA-256."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read_migrations() -> list[Migration]:
    """Return all migrations of this version of the package, in order."""
    found = [file for file in (SQL_FOLDER / "migrations").iterdir() if file.name.endswith(".sql")]
    return [Migration(f.name, f.read_text(encoding="utf-8")) for f in sorted(found, key=lambda f: f.name)]


def migrate(database: Database, migrations: list[Migration] | None = None) -> list[str]:
    """Bring the schema up to date; return the names of the migrations that were applied now.

    Each runs in a transaction of its own, under a lock, so that several processes may do it at once. Raises InputError
    when a file was changed after it had been applied, or when the database is newer than this package.
    """
    wanted = read_migrations() if migrations is None else migrations
    applied_now = []
    with database.transaction() as connection:
        _lock_and_read(connection, wanted)
    for migration in wanted:
        with database.transaction() as connection:
            if migration.name in _lock_and_read(connection, wanted):
                continue
            connection.execute(migration.sql.encode())
            connection.execute(_SQL["record"], {"name": migration.name, "checksum": migration.checksum})
            applied_now.append(migration.name)
    return applied_now


def pending_migrations(database: Database) -> list[str]:
    """Return the names of migrations that are yet to be applied; changes nothing."""
    with database.transaction() as connection:
        row = connection.execute(_SQL["is_new"]).fetchone()
        applied = {} if row is None or row["is_new"] else _read_applied(connection)
    wanted = read_migrations()
    _check(applied, wanted)
    return [m.name for m in wanted if m.name not in applied]


def _lock_and_read(connection: Connection, wanted: list[Migration]) -> dict[str, str]:
    connection.execute(_SQL["lock"])
    row = connection.execute(_SQL["is_new"]).fetchone()
    if row is None or row["is_new"]:
        connection.execute(_SQL["create"])
    applied = _read_applied(connection)
    _check(applied, wanted)
    return applied


def _read_applied(connection: Connection) -> dict[str, str]:
    return {row["name"]: row["checksum"] for row in connection.execute(_SQL["applied"])}


def _check(applied: dict[str, str], wanted: list[Migration]) -> None:
    checksums = {m.name: m.checksum for m in wanted}
    for name, checksum in applied.items():
        if name not in checksums:
            raise InputError(
                f"The database has the migration {name}, which this version does not know; update SonicGen."
            )
        if checksums[name] != checksum:
            raise InputError(
                f"The migration {name} was changed after it had been applied; restore it and put the change into a new "
                "file."
            )
