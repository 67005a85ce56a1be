"""The index out of one database into a file, and from there into another: a backup of one's own, and a way to move."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sonicgen import __version__
from sonicgen.errors import InputError
from sonicgen.steps.archive_file import FORMAT, ArchiveWriter, Head, Sum, reading, verify
from sonicgen.steps.pack_index import pack_index
from sonicgen.steps.services import Services
from sonicgen.store import archives
from sonicgen.store.archive_tables import BY_NAME, TABLES
from sonicgen.store.archives import Taken
from sonicgen.store.migrations import read_migrations

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Exported:
    """A file that was written, and what of each table is in it."""

    path: Path
    size_bytes: int
    tables: dict[str, Sum]


def export_index(services: Services, path: Path, *, with_voices: bool = False, say: Say = lambda _: None) -> Exported:
    """Write the index to a file as it is at one moment, while everything goes on; without sound.

    Voices, speakers and their names are left out unless they are asked for. Raises InputError when the file is there
    already or cannot be written; nothing is left of one that was begun.
    """
    if path.exists():
        raise InputError(f"{path} is there already; choose another name.")
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file, tarfile.open(fileobj=file, mode="w|") as tar:
            sums = _write(services, tar, with_voices, say)
        _settle(part)
        part.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        part.unlink(missing_ok=True)
    return Exported(path, path.stat().st_size, sums)


def _write(services: Services, tar: tarfile.TarFile, with_voices: bool, say: Say) -> dict[str, Sum]:
    with services.database.transaction() as connection:
        archives.begin_snapshot(connection)
        wanted = [table for table in TABLES if with_voices or not table.is_personal]
        columns = {table.name: tuple(name for name, _ in archives.columns(connection, table.name)) for table in wanted}
        made_at = datetime.now(UTC).isoformat(timespec="seconds")
        migrations = tuple(archives.migrations(connection))
        writer = ArchiveWriter(tar, Head(FORMAT, __version__, made_at, with_voices, migrations, columns))
        for table in wanted:
            say(table.name)
            rows = archives.read_rows(connection, table, columns[table.name], with_voices=with_voices)
            writer.add_table(table.name, rows)
        return writer.end()


def _settle(path: Path) -> None:
    """Have the file on the disk before it gets its name."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def import_index(
    services: Services, path: Path, *, replace: bool = False, say: Say = lambda _: None
) -> dict[str, Taken]:
    """Take in what an archive holds and this database lacks, all of it or nothing; return how much of each table.

    What is there already and the same is left alone. Raises ConflictError when something differs, unless `replace` says
    that the archive's counts; InputError for a file that is damaged, cut off, or of a newer release.
    """
    say("checking the file")
    _check_release(verify(path))
    # Segments are packed in the order of numbers: what is here already comes before what is taken in.
    pack_index(services.database)
    with services.database.transaction() as connection, reading(path) as archive:
        taking = archives.Import(connection, archive.head.has_voices)
        taking.begin()
        for name, pieces in archive.tables():
            say(f"reading {name}")
            taking.stage(name, archive.head.tables[name], pieces)
        say("comparing and writing")
        return taking.write(replace=replace)


def _check_release(head: Head) -> None:
    known = {migration.name for migration in read_migrations()}
    newer = [name for name in head.migrations if name not in known]
    unknown = [name for name in head.tables if name not in BY_NAME]
    if newer or unknown:
        raise InputError(
            f"The archive was made by release {head.release}, which has {(newer or unknown)[0]} that this one does not "
            "know; update SonicGen."
        )
