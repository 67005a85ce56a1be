"""What people changed in lines: on record, undone, and put on top again when a transcript is fetched anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from sonicgen.store.database import Connection, Database
from sonicgen.store.statements import load_statements

_SQL = load_statements("edits")


class EditKind(StrEnum):
    """What of a line an edit changes."""

    TEXT = "text"
    SPEAKER = "speaker"


@dataclass(frozen=True, slots=True)
class StoredEdit:
    """One edit; `before` and `after` are the columns of the line that it changed.

    `position` is the line's present one, None when no line of the present transcript is said at that time.
    """

    id: int
    kind: EditKind
    position: int | None
    start_seconds: float
    end_seconds: float
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    edited_by: str
    edited_at: datetime
    undone_at: datetime | None

    def to_json(self) -> dict[str, object]:
        """Return the documented form, without the words' times."""
        keys = ("text",) if self.kind is EditKind.TEXT else ("speaker", "speaker_name")
        return {
            "id": self.id,
            "kind": str(self.kind),
            "position": self.position,
            "start_seconds": round(self.start_seconds, 3),
            "end_seconds": round(self.end_seconds, 3),
            "before": {key: self.before.get(key) for key in keys},
            "after": {key: self.after.get(key) for key in keys},
            "edited_by": self.edited_by,
            "edited_at": self.edited_at.isoformat(),
            "undone_at": self.undone_at.isoformat() if self.undone_at else None,
        }


def line_at(connection: Connection, video_id: UUID, position: int) -> DictRow | None:
    """Return a line's row and let nobody else change it until the transaction ends; None when there is none."""
    return connection.execute(_SQL["line_at"], {"video_id": video_id, "position": position}).fetchone()


def count_lines(connection: Connection, video_id: UUID) -> int:
    """Return how many lines a recording has."""
    row = connection.execute(_SQL["positions"], {"video_id": video_id}).fetchone()
    assert row is not None  # noqa: S101 - an aggregate returns one row
    count: int = row["count"]
    return count


def voices(connection: Connection, video_id: UUID) -> dict[str, str | None]:
    """Return the labels of a recording's speakers with the name that each has, None where it has none."""
    return {row["speaker"]: row["name"] for row in connection.execute(_SQL["voices"], {"video_id": video_id})}


def apply(
    connection: Connection, utterance_id: int, kind: EditKind, columns: Mapping[str, Any], *, edited_by: str
) -> DictRow:
    """Change columns of a line, put that on record, and return the line's row."""
    values = {"utterance_id": utterance_id, "kind": kind.value, "after": Jsonb(dict(columns)), "edited_by": edited_by}
    edit = connection.execute(_SQL["record"], values).fetchone()
    assert edit is not None  # noqa: S101 - the line is locked by the caller
    return _put(connection, utterance_id, edit["video_id"], columns)


def undo(connection: Connection, utterance_id: int) -> DictRow | None:
    """Take back the latest edit of a line that stands, and return the line's row; None when none stands."""
    edit = connection.execute(_SQL["undo"], {"utterance_id": utterance_id}).fetchone()
    return None if edit is None else _put(connection, utterance_id, edit["video_id"], edit["before"])


def history(database: Database, video_id: UUID, position: int | None = None) -> list[StoredEdit]:
    """Return every edit of a recording's lines, or of one of them, oldest first."""
    rows = database.execute(_SQL["history"], {"video_id": video_id, "position": position}).fetchall()
    return [_edit(row) for row in rows]


def reapply(connection: Connection, video_id: UUID) -> int:
    """Put edits whose lines were replaced on top of the lines that are said then; return how many found theirs.

    One that finds none stays on record without a line, and is tried again when the lines change again.
    """
    moved = 0
    for edit in connection.execute(_SQL["homeless"], {"video_id": video_id}).fetchall():
        line = connection.execute(_SQL["successor"], edit).fetchone()
        if line is None:
            continue
        connection.execute(_SQL["move"], {"id": edit["id"], "utterance_id": line["id"]})
        if edit["undone_at"] is None:
            connection.execute(_SQL["put"], {"utterance_id": line["id"], "state": Jsonb(edit["after"])})
        moved += 1
    return moved


def _put(connection: Connection, utterance_id: int, video_id: UUID, columns: Mapping[str, Any]) -> DictRow:
    values = {"utterance_id": utterance_id, "state": Jsonb(dict(columns))}
    row = connection.execute(_SQL["put"], values).fetchone()
    assert row is not None  # noqa: S101 - the line is locked by the caller
    connection.execute(_SQL["touch"], {"video_id": video_id})
    return row


def _edit(row: DictRow) -> StoredEdit:
    return StoredEdit(
        id=row["id"],
        kind=EditKind(row["kind"]),
        position=row["position"],
        start_seconds=row["start_seconds"],
        end_seconds=row["end_seconds"],
        before=row["before"],
        after=row["after"],
        edited_by=row["edited_by"],
        edited_at=row["edited_at"],
        undone_at=row["undone_at"],
    )
