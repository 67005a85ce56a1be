"""The index over several machines: its tables spread with Citus, the search in a form that can be asked of other nodes.

Only the index is spread, which is nearly all bytes; everything else stays whole on the coordinator. docs/operate.md
says from which size on, and what of this was tried.
"""

from __future__ import annotations

from sonicgen.errors import SettingsError
from sonicgen.store.database import Database
from sonicgen.store.statements import load_statements

_SQL = load_statements("distributed")


def spread_index(database: Database) -> None:
    """Spread the index over the nodes that the database's Citus knows; safe to repeat.

    Existing rows move with it, in one transaction during which nothing can be stored. Raises SettingsError when the
    database has no Citus.
    """
    with database.transaction() as connection:
        row = connection.execute(_SQL["has_citus"]).fetchone()
        if row is None or not row["there"]:
            raise SettingsError(
                "This Postgres has no Citus: run `create extension citus` on the coordinator, add its nodes with "
                "citus_add_node, and try again."
            )
        connection.execute(_SQL["distribute"])
        connection.execute(_SQL["spread_search"])
