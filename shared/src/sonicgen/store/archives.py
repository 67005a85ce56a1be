"""The rows of an archive, out of one database and into another, in Postgres' own binary form.

Out: one transaction that sees one moment. In: everything is staged and compared before anything is written, and all of
it is written in one transaction. Searches and uploads go on meanwhile; stores wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from psycopg import errors
from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from sonicgen.errors import ConflictError, InputError
from sonicgen.store.archive_tables import BY_NAME, TABLES, ArchivedTable
from sonicgen.store.database import Connection
from sonicgen.store.statements import load_statements

_SQL = load_statements("archives")
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_FRAME_BITS = 24
_SHOWN = 3

Column = tuple[str, str]
"""A column's name and its type, as Postgres writes it."""


@dataclass(frozen=True, slots=True)
class Taken:
    """How many rows of a table were new, and how many were there already."""

    added: int
    known: int


def begin_snapshot(connection: Connection) -> None:
    """Have the transaction, which has done nothing yet, see one moment and write nothing."""
    connection.execute(_SQL["begin_snapshot"])


def migrations(connection: Connection) -> list[str]:
    """Return the names of the migrations that made the schema."""
    return [row["name"] for row in connection.execute(_SQL["migrations"])]


def columns(connection: Connection, table: str) -> list[Column]:
    """Return the columns of a table that are written, in their order."""
    return [(row["name"], row["type"]) for row in connection.execute(_SQL["columns"], {"table": f"public.{table}"})]


def read_rows(
    connection: Connection, table: ArchivedTable, names: Sequence[str], *, with_voices: bool
) -> Iterator[bytes]:
    """Yield the rows of a table in the order of their keys, each as COPY's binary format has it."""
    is_partial = not with_voices and f"rows_of_{table.name}" in _SQL
    condition = _SQL[f"rows_of_{table.name}"] if is_partial else _SQL["all_rows"]
    chosen = [
        SQL("null::text as {}").format(Identifier(name))
        if name in table.cleared and not with_voices
        else SQL("t.{}").format(Identifier(name))
        for name in names
    ]
    statement = _format(
        "copy_out",
        columns=SQL(", ").join(chosen),
        table=Identifier(table.name),
        condition=SQL(condition.decode()),
        key=_join("t", table.key),
    )
    with connection.cursor().copy(statement) as copy:
        first = True
        for data in copy:
            row = bytes(data)
            if first:
                row, first = row[len(_HEADER) :], False
            if row and row != _TRAILER:
                yield row


@dataclass(slots=True)
class Import:
    """An archive on its way into a database, in the caller's transaction: stage all tables, compare, write."""

    connection: Connection
    has_voices: bool
    staged: dict[str, tuple[str, ...]] = field(default_factory=dict)
    offsets: dict[str, int] = field(default_factory=dict)

    def begin(self) -> None:
        """Keep stores and packing waiting."""
        self.connection.execute(_SQL["lock"])

    def stage(self, name: str, names: Sequence[str], rows: Iterable[bytes]) -> None:
        """Take in a table's rows, which may come in pieces that hold several; raise InputError for unknown columns."""
        table = BY_NAME[name]
        known = {column for column, _ in columns(self.connection, name)}
        if unknown := [column for column in names if column not in known]:
            raise InputError(f"The archive has {name}.{unknown[0]}, which this release does not know; update SonicGen.")
        stage, listed = Identifier(f"stage_{name}"), _join(None, names)
        self._run("stage", stage=stage, columns=listed, table=Identifier(name))
        with self.connection.cursor().copy(_format("copy_in", stage=stage, columns=listed)) as copy:
            copy.write(_HEADER)
            for piece in rows:
                copy.write(piece)
            copy.write(_TRAILER)
        if not table.is_bulk:
            self._run("index_stage", stage=stage, key=_join(None, table.key))
        self._run("analyze", stage=stage)
        self.staged[name] = tuple(names)

    def write(self, *, replace: bool) -> dict[str, Taken]:
        """Write what is not there; return how much of each table that was.

        Raises ConflictError, before anything is written, when something is there that differs, unless it is to be
        replaced.
        """
        compared = [table for table in TABLES if table.name in self.staged and not table.is_bulk]
        self._mark(compared)
        counted = self._counts(compared)
        if replace:
            self._remove_differing(compared)
        else:
            self._refuse_differing(compared, counted)
        self._count_offsets()
        self.connection.execute(_SQL["disable_triggers"])
        taken = {}
        for table in compared:
            if table.name == "videos":
                added = self._insert(table, "insert")
                self.connection.execute(_SQL["lead_back"])
                self.connection.execute(_SQL["new_numbers"])
                self._write_index()
                self.connection.execute(_SQL["enable_triggers"])
            else:
                # Of what goes with recordings nothing differs any more.
                is_child = table.parent is not None and table.parent[1] == "videos"
                added = self._insert(table, "upsert" if replace and not is_child else "insert")
            taken[table.name] = Taken(added, sum(counted[table.name].values()) - added)
        self._count_on()
        return taken

    def _mark(self, compared: Sequence[ArchivedTable]) -> None:
        for table in compared:
            stage, names = Identifier(f"stage_{table.name}"), self.staged[table.name]
            apart = (*table.apart, *table.key, *(() if self.has_voices else table.cleared))
            values = [name for name in names if name not in apart]
            parent: Composable = SQL("false")
            if table.parent is not None and table.parent[1] in self.staged:
                parent = _format(
                    "known_parent", marks=Identifier(f"marks_{table.parent[1]}"), column=Identifier(table.parent[0])
                )
            self._run(
                "mark",
                marks=Identifier(f"marks_{table.name}"),
                stage_key=_join("s", table.key),
                other_key=Identifier("t", table.key[0]),
                is_child_of_known=parent,
                stage_values=_join("s", values) if values else SQL("true"),
                own_values=_join("t", values) if values else SQL("true"),
                stage=stage,
                table=Identifier(table.name),
                same_key=_equal("s", "t", table.key),
            )
            self._run("analyze", stage=Identifier(f"marks_{table.name}"))

    def _counts(self, compared: Sequence[ArchivedTable]) -> dict[str, dict[str, int]]:
        counted = {}
        for table in compared:
            row = self.connection.execute(_format("count_marks", marks=Identifier(f"marks_{table.name}"))).fetchone()
            counted[table.name] = dict(row or {})
        return counted

    def _refuse_differing(self, compared: Sequence[ArchivedTable], counted: dict[str, dict[str, int]]) -> None:
        differing = self.connection.execute(_SQL["differing_videos"]).fetchall()
        if differing:
            named = ", ".join(f"“{row['title']}”" for row in differing[:_SHOWN])
            raise ConflictError(
                f"{len(differing)} recordings differ from the archive's, such as {named}; nothing was written. "
                "Add --replace to take the archive's."
            )
        for table in compared:
            number = counted[table.name]["other"] + counted[table.name]["lost"]
            if number:
                raise ConflictError(
                    f"{number} rows of {table.name} differ from the archive's; nothing was written. "
                    "Add --replace to take the archive's."
                )

    def _remove_differing(self, compared: Sequence[ArchivedTable]) -> None:
        """Remove the recordings that differ, with all that belongs to them, and compare again."""
        ids: set[UUID] = {row["id"] for row in self.connection.execute(_SQL["differing_videos"])}
        for table in compared:
            if table.parent is not None and table.parent[1] == "videos":
                statement = _format(
                    "owners",
                    column=Identifier(table.parent[0]),
                    stage=Identifier(f"stage_{table.name}"),
                    marks=Identifier(f"marks_{table.name}"),
                    same_marked_key=_equal("s", "m", table.key),
                )
                ids |= {row["id"] for row in self.connection.execute(statement) if row["id"] is not None}
        self.connection.execute(_SQL["remove_videos"], {"ids": list(ids)})
        for table in compared:
            self._run("drop_marks", marks=Identifier(f"marks_{table.name}"))
        self._mark(compared)

    def _count_offsets(self) -> None:
        sources = {"number": ("videos", "number"), "segment": ("packed_segments", "id")}
        counts = [(count, table.name, column) for table in TABLES for column, count in table.offsets]
        for count, table, column in counts:
            sources.setdefault(count, (table, column))
        del sources["loc"]
        for count, (table, column) in sources.items():
            self.offsets[count] = self._largest(table, column)
        # Numbers that have left the index still stand in blocks.
        self.offsets["number"] = max(self.offsets["number"], self._largest("packed_segments", "last_number"))
        self.offsets["loc"] = self.offsets["number"] << _FRAME_BITS

    def _largest(self, table: str, column: str) -> int:
        statement = _format("offset", column=Identifier(column), table=Identifier(table))
        row = self.connection.execute(statement).fetchone()
        return 0 if row is None else int(row["value"])

    def _insert(self, table: ArchivedTable, statement: str) -> int:
        names = self.staged[table.name]
        kept = (*table.key, *(column for column, _ in table.offsets))
        replaced = [name for name in names if name not in kept]
        return self._run(
            statement,
            table=Identifier(table.name),
            columns=_join(None, names),
            values=self._values(table),
            stage=Identifier(f"stage_{table.name}"),
            marks=Identifier(f"marks_{table.name}"),
            same_marked_key=_equal("s", "m", table.key),
            key=_join(None, table.key),
            replaced=_join(None, replaced),
            excluded=_join("excluded", replaced),
        )

    def _write_index(self) -> None:
        row = self.connection.execute(_SQL["count_new_numbers"]).fetchone()
        if row is not None and row["count"]:
            self._bulk("insert_peaks", "recording_peaks")
            for name in ("packed_segments", "packed_postings", "packed_forgotten"):
                self._bulk("insert_all", name)
            self.connection.execute(_SQL["forget_others"], {"offset": self.offsets["number"]})
            self._bulk("insert_rows", "fingerprints")
        self.connection.execute(_SQL["count_again"])
        self.connection.execute(_SQL["clear_versions"])
        self.connection.execute(_SQL["count_versions"])

    def _bulk(self, statement: str, name: str) -> None:
        table = BY_NAME[name]
        self._run(
            statement,
            table=Identifier(name),
            columns=_join(None, self.staged[name]),
            values=self._values(table),
            stage=Identifier(f"stage_{name}"),
        )

    def _values(self, table: ArchivedTable) -> Composed:
        moved = {column: self.offsets[count] for column, count in table.offsets}
        return SQL(", ").join(
            SQL("s.{} + {}").format(Identifier(name), Literal(moved[name]))
            if moved.get(name)
            else SQL("s.{}").format(Identifier(name))
            for name in self.staged[table.name]
        )

    def _count_on(self) -> None:
        self.connection.execute(_SQL["number_on"])
        for table in TABLES:
            for column, count in table.offsets:
                is_own = count not in ("number", "loc") and column in ("id", "number", "sequence")
                if is_own and table.name in self.staged:
                    statement = _format("count_on", column=Identifier(column), table=Identifier(table.name))
                    self.connection.execute(statement, {"table": f"public.{table.name}", "column": column})

    def _run(self, statement: str, **parts: Composable) -> int:
        try:
            return self.connection.execute(_format(statement, **parts)).rowcount
        except (errors.UniqueViolation, errors.ForeignKeyViolation) as error:
            raise ConflictError(
                f"Something here has the name of something else in the archive ({str(error).splitlines()[0]}); "
                "nothing was written."
            ) from error


def _format(statement: str, **parts: Composable) -> Composed:
    return SQL(_SQL[statement].decode()).format(**parts)


def _join(alias: str | None, names: Sequence[str]) -> Composed:
    return SQL(", ").join(Identifier(name) if alias is None else Identifier(alias, name) for name in names)


def _equal(one: str, other: str, names: Sequence[str]) -> Composed:
    return SQL(" and ").join(SQL("{} = {}").format(Identifier(one, name), Identifier(other, name)) for name in names)
