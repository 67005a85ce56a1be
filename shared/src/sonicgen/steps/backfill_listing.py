"""What a backfill is to work through: objects of a bucket, the lines of a list, or recordings of older fingerprints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path, PurePosixPath
from uuid import UUID

from sonicgen.cloud.objects import StoredObject, list_objects
from sonicgen.domain.backfill import Backfill, BackfillKind, BackfillState, split_address
from sonicgen.errors import InputError
from sonicgen.sound.versions import current_version
from sonicgen.steps.index_folder import SUFFIXES
from sonicgen.steps.services import Services
from sonicgen.store import backfills, recordings
from sonicgen.store.database import Connection

# Items that are put down in one transaction.
PAGE = 1_000
_SOUND_TYPES = ("audio/", "video/")


def read_list(path: Path, bucket: str) -> Iterator[str]:
    """Yield the addresses that a list names, one a line: gs:// addresses, paths on this machine, names in a bucket.

    A line is a path when a file lies there (from where the command runs). Empty lines and those that begin with # are
    left out. Raises InputError when the list cannot be read or is no text.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                text = line.strip()
                if not text or text.startswith("#"):
                    continue
                if "://" in text:
                    split_address(text)
                    yield text
                elif Path(text).is_file():
                    yield str(Path(text).absolute())
                elif Path(text).is_absolute():
                    raise InputError(f"{path} names {text}, and there is no such file.")
                else:
                    yield f"gs://{bucket}/{text}"
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no list that can be read: {error}.") from error


def add_list(services: Services, backfill: Backfill, addresses: Iterable[str]) -> None:
    """Put down what a list names; what it named before is left as it is."""
    for page in _pages(addresses):
        with services.database.transaction() as connection:
            backfills.add_items(connection, backfill.id, page, None, is_listed=False)
    with services.database.transaction() as connection:
        backfills.add_items(connection, backfill.id, [], None, is_listed=True)


def list_further(services: Services, identifier: UUID) -> bool:
    """Put down the next page of a backfill's source, unless somebody is at it; return whether anything was done.

    Stopped at any point, the next call goes on from there.
    """
    with services.database.transaction() as connection:
        backfill = backfills.take_listing(connection, identifier)
        if backfill is None or backfill.source.startswith("list:") or backfill.state is not BackfillState.RUNNING:
            return False
        if backfill.kind is BackfillKind.REFINGERPRINT:
            _list_recordings(services, connection, backfill)
        else:
            _list_objects(connection, backfill)
        return True


def _list_recordings(services: Services, connection: Connection, backfill: Backfill) -> None:
    after: tuple[int, UUID] | None = None
    if backfill.listed_after:
        version, _, last = backfill.listed_after.partition(" ")
        after = int(version), UUID(last)
    page = recordings.to_hear_anew(services.database, current_version(), PAGE, after)
    ids = [str(recording.id) for recording in page]
    last_seen = f"{page[-1].version} {page[-1].id}" if page else backfill.listed_after
    backfills.add_items(connection, backfill.id, ids, last_seen, is_listed=len(page) < PAGE, reopens=True)


def _list_objects(connection: Connection, backfill: Backfill) -> None:
    bucket, prefix = split_address(backfill.source)
    found = list_objects(bucket, prefix, after=backfill.listed_after)
    page = list(islice(found, PAGE))
    names = [f"gs://{bucket}/{one.name}" for one in page if backfill.takes_all or is_recording(one)]
    last_seen = page[-1].name if page else backfill.listed_after
    backfills.add_items(connection, backfill.id, names, last_seen, is_listed=len(page) < PAGE)


def is_recording(stored: StoredObject) -> bool:
    """Return whether an object is a recording by its type, or by its name; a name that says nothing may be one."""
    suffix = PurePosixPath(stored.name).suffix.lower()
    return stored.size_bytes > 0 and (
        suffix in SUFFIXES or not suffix or (stored.content_type or "").startswith(_SOUND_TYPES)
    )


def _pages(addresses: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(addresses)
    while page := list(islice(iterator, PAGE)):
        yield page
