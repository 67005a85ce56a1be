"""Drop a file into the inbox bucket."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sonicgen.cloud.objects import upload_file
from sonicgen.domain.recording import recording_id
from sonicgen.errors import InputError
from sonicgen.settings import Settings

# An object's name may have 1,024 bytes (Cloud Storage); the folder and a margin are taken off.
MAXIMUM_NAME_BYTES = 900
_READ_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Added:
    """An uploaded file; `created` is False when the very same bytes lay there already."""

    recording_id: UUID
    bucket: str
    object_name: str
    generation: int
    created: bool


def object_name(path: Path) -> str:
    """Return the name under which a file lies in the bucket: its content's hash as folder, then its own name.

    Equal files under equal names meet in one object; different files never overwrite each other.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    name = path.name.encode("utf-8", "replace").decode()  # a file name may hold bytes that are not UTF-8
    while len(name.encode()) > MAXIMUM_NAME_BYTES:
        name = name[1:]
    return f"{digest.hexdigest()[:16]}/{name}"


def add_recording(settings: Settings, path: Path, on_progress: Callable[[int, int], None] | None = None) -> Added:
    """Upload a file into the inbox bucket, whose event starts everything else.

    `on_progress` gets bytes sent and bytes in all. Raises InputError when the file cannot be read.
    """
    try:
        name = object_name(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    stored = upload_file(settings.inbox_bucket, name, path, on_progress=on_progress)
    return Added(
        recording_id=recording_id(stored.bucket, stored.name, stored.generation),
        bucket=stored.bucket,
        object_name=stored.name,
        generation=stored.generation,
        created=stored.created,
    )
