"""Files on their way into a bucket past the console, as Postgres keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sonicgen.errors import NotFoundError
from sonicgen.store.database import Database
from sonicgen.store.statements import load_statements

_SQL = load_statements("uploads")

Purpose = Literal["find", "add"]


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that somebody said they would send."""

    id: UUID
    owner: str
    purpose: Purpose
    bucket: str
    object_name: str
    name: str
    size_bytes: int
    created_at: datetime


def add(
    database: Database,
    upload_id: UUID,
    *,
    owner: str,
    purpose: Purpose,
    bucket: str,
    object_name: str,
    name: str,
    size_bytes: int,
) -> Upload:
    """Put an upload on record."""
    values = {
        "id": upload_id,
        "owner": owner,
        "purpose": purpose,
        "bucket": bucket,
        "object_name": object_name,
        "name": name,
        "size_bytes": size_bytes,
    }
    row = database.execute(_SQL["add"], values).fetchone()
    assert row is not None  # noqa: S101 - an insert returns its row
    return Upload(**row)


def get(database: Database, upload_id: UUID, owner: str) -> Upload:
    """Return an upload of this owner; raise NotFoundError for any other."""
    row = database.execute(_SQL["get"], {"id": upload_id, "owner": owner}).fetchone()
    if row is None:
        raise NotFoundError(f"There is no upload {upload_id}; make one with POST /v1/uploads.")
    return Upload(**row)


def remove(database: Database, upload_id: UUID) -> None:
    """Forget an upload."""
    database.execute(_SQL["remove"], {"id": upload_id})


def old(database: Database, limit: int = 100) -> list[Upload]:
    """Return uploads of yesterday, whose bytes nobody asked about in time."""
    return [Upload(**row) for row in database.execute(_SQL["old"], {"limit": limit})]
