"""Objects: what is stored under which name. Every change and its notifications are one transaction."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import BinaryIO

from sonicgen.local.storage.buckets import require_bucket
from sonicgen.local.storage.database import Database, now_microseconds
from sonicgen.local.storage.files import Body, ObjectFiles
from sonicgen.local.storage.names import check_object_name
from sonicgen.local.storage.notifications import EventType, Notifications
from sonicgen.local.storage.preconditions import Conditions
from sonicgen.local.storage.problems import invalid, no_such_object
from sonicgen.local.storage.resources import Draft, Json, ObjectRow, merge_fields, read_fields

_MOST_SOURCES = 32  # https://cloud.google.com/storage/docs/composite-objects


@dataclass(frozen=True, slots=True)
class Place:
    """An object that a request is about; `generation` None means the newest."""

    bucket: str
    name: str
    generation: int | None = None
    conditions: Conditions = Conditions()  # noqa: RUF009  # immutable


class Objects:
    """The objects of one server; all calls may block.

    `on_change` is called, from any thread, after a change that may have filled the outbox.
    """

    def __init__(
        self, database: Database, files: ObjectFiles, notifications: Notifications, on_change: Callable[[], None]
    ) -> None:
        self._database = database
        self._files = files
        self._notifications = notifications
        self._on_change = on_change

    def check_place(self, draft: Draft, conditions: Conditions) -> None:
        """Raise Problem when an upload has no chance as things stand, before its bytes are taken in."""
        check_object_name(draft.name)
        require_bucket(self._database, draft.bucket)
        conditions.check(self._find(draft.bucket, draft.name))

    def put(
        self,
        draft: Draft,
        body: Body,
        conditions: Conditions,
        base_url: str,
        also: Callable[[ObjectRow], None] | None = None,
    ) -> ObjectRow:
        """Make `body` the object's newest generation; when this raises, its file still belongs to the caller.

        `also` is called within the same transaction.
        """
        check_object_name(draft.name)
        draft.check_body(body)
        now = now_microseconds()
        with self._database.transaction():
            require_bucket(self._database, draft.bucket)
            before = self._find(draft.bucket, draft.name)
            conditions.check(before)
            taken = self._database.one("take_generation", now=now)
            assert taken is not None  # noqa: S101  # the table has its one row from the start
            row = ObjectRow(draft.bucket, draft.name, taken["newest"], 1, body, draft.fields, now, now)
            self._write(row)
            overwrote = {"overwroteGeneration": str(before.generation)} if before else {}
            self._notifications.record(EventType.FINALIZE, row, base_url, **overwrote)
            if before:
                self._notifications.record(
                    EventType.DELETE, before, base_url, overwrittenByGeneration=str(row.generation)
                )
            if also:
                also(row)
        if before:
            self._files.discard(before.body.file)
        self._on_change()
        return row

    def get(self, place: Place) -> ObjectRow:
        """Return an object; raise Problem: 404 when it or that generation is not there, 412 or 304 by conditions."""
        return self._require(place, reading=True)

    def open(self, place: Place) -> tuple[ObjectRow, BinaryIO]:
        """Return an object and its bytes, which stay readable whatever happens to the object."""
        while True:
            row = self.get(place)
            try:
                return row, self._files.open(row.body.file)
            except FileNotFoundError:
                # Replaced or deleted since the row was read: look again. The same row without a file is a real loss.
                if self._find(place.bucket, place.name) == row:
                    raise

    def update(
        self,
        place: Place,
        sent: Json,
        base_url: str,
        *,
        whole: bool,
    ) -> ObjectRow:
        """Lay a patch over an object's metadata, or replace it all when `whole`; return the object."""
        with self._database.transaction():
            before = self._require(place)
            row = replace(
                before,
                fields=merge_fields({} if whole else before.fields, sent),
                metageneration=before.metageneration + 1,
                updated_at=now_microseconds(),
            )
            self._write(row)
            self._notifications.record(EventType.METADATA_UPDATE, row, base_url)
        self._on_change()
        return row

    def delete(self, place: Place, base_url: str) -> None:
        """Remove an object; raise Problem as `get` does."""
        with self._database.transaction():
            row = self._require(place)
            self._database.run("delete_object", bucket=row.bucket, name=row.name)
            self._notifications.record(EventType.DELETE, row, base_url)
        self._files.discard(row.body.file)
        self._on_change()

    def copy(self, source: Place, draft: Draft, conditions: Conditions, base_url: str) -> ObjectRow:
        """Store another object's bytes under a name; what `draft` does not say of them is taken from there."""
        self.check_place(draft, conditions)
        while True:
            row = self._require(source)
            try:
                body = self._files.duplicate(row.body)
                break
            except FileNotFoundError:
                if self._find(source.bucket, source.name) == row:
                    raise
        fields = draft.fields or row.fields
        return self._put_own(replace(draft, fields=fields), body, conditions, base_url)

    def compose(self, sources: list[Place], draft: Draft, conditions: Conditions, base_url: str) -> ObjectRow:
        """Store several objects' bytes, one after the other, as one object."""
        if not 1 <= len(sources) <= _MOST_SOURCES:
            raise invalid(f"The number of source components must be between 1 and {_MOST_SOURCES}.")
        self.check_place(draft, conditions)
        rows = [self._require(source) for source in sources]
        components = sum(row.body.component_count or 1 for row in rows)
        try:
            body = self._files.join([row.body.file for row in rows], components)
        except FileNotFoundError as error:
            raise no_such_object(draft.bucket, "one of the sources") from error
        fields = {"contentType": rows[0].content_type} | draft.fields
        return self._put_own(replace(draft, fields=fields), body, conditions, base_url)

    def _put_own(self, draft: Draft, body: Body, conditions: Conditions, base_url: str) -> ObjectRow:
        try:
            return self.put(draft, body, conditions, base_url)
        except BaseException:
            self._files.discard(body.file)
            raise

    def _require(self, place: Place, *, reading: bool = False) -> ObjectRow:
        row = self._find(place.bucket, place.name)
        if row is None or place.generation not in (None, row.generation):
            require_bucket(self._database, place.bucket)
            raise no_such_object(place.bucket, place.name)
        place.conditions.check(row, reading=reading)
        return row

    def _find(self, bucket: str, name: str) -> ObjectRow | None:
        row = self._database.one("find_object", bucket=bucket, name=name)
        return ObjectRow.load(row) if row else None

    def _write(self, row: ObjectRow) -> None:
        self._database.run(
            "put_object",
            bucket=row.bucket,
            name=row.name,
            generation=row.generation,
            metageneration=row.metageneration,
            size_bytes=row.body.size_bytes,
            md5=row.body.md5,
            crc32c=row.body.crc32c,
            component_count=row.body.component_count,
            file=row.body.file,
            fields=json.dumps(row.fields),
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


def read_draft(bucket: str, name: str | None, sent: Json) -> Draft:
    """Return the draft of an uploaded resource; a name in the URL wins over one in the resource."""
    return Draft(
        bucket, str(name or sent.get("name") or ""), read_fields(sent), sent.get("md5Hash"), sent.get("crc32c")
    )
