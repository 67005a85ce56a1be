"""Buckets."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping

from sonicgen.local.storage.database import Database, now_microseconds
from sonicgen.local.storage.names import check_bucket_name, end_of_prefix, read_page_token, write_page_token
from sonicgen.local.storage.preconditions import Conditions
from sonicgen.local.storage.problems import conflict, missing
from sonicgen.local.storage.resources import Json, write_time

# What the server says itself; a client cannot set it.
_OWN_FIELDS = frozenset(
    {"kind", "id", "name", "selfLink", "projectNumber", "metageneration", "etag", "timeCreated", "updated"}
)


class Buckets:
    """The buckets of one server; all calls may block."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, sent: Json, base_url: str) -> Json:
        """Return the new bucket's resource; raise Problem (409) when there is one."""
        name = str(sent.get("name") or "")
        check_bucket_name(name)
        fields = {"location": "US", "locationType": "multi-region", "storageClass": "STANDARD"} | _read_fields(sent)
        created = self._database.run("insert_bucket", name=name, fields=json.dumps(fields), now=now_microseconds())
        if not created:
            raise conflict("Your previous request to create the named bucket succeeded and you already own it.")
        return self.get(name, base_url)

    def get(self, name: str, base_url: str, conditions: Conditions | None = None) -> Json:
        """Return a bucket's resource; raise Problem (404) when there is none."""
        row = self._find(name)
        if conditions:
            conditions.check(_Version(row), reading=True)
        return _resource(row, base_url)

    def list(self, prefix: str, most: int, token: str | None, base_url: str) -> Json:
        """Return one page of the buckets, by name."""
        after = read_page_token(token) if token else ""
        rows = self._database.all(
            "list_buckets", after=after, prefix=prefix, bound=end_of_prefix(prefix), most=most + 1
        )
        page: Json = {"kind": "storage#buckets", "items": [_resource(row, base_url) for row in rows[:most]]}
        if len(rows) > most:
            page["nextPageToken"] = write_page_token(rows[most - 1]["name"])
        return page

    def update(self, name: str, sent: Json, conditions: Conditions, base_url: str, *, replace: bool) -> Json:
        """Lay a patch over a bucket's fields, or replace them; return the new resource."""
        with self._database.transaction():
            row = self._find(name)
            conditions.check(_Version(row))
            kept = {} if replace else json.loads(row["fields"])
            merged = {field: value for field, value in (kept | _read_fields(sent)).items() if value is not None}
            self._database.run("update_bucket", name=name, fields=json.dumps(merged), now=now_microseconds())
        return self.get(name, base_url)

    def delete(self, name: str, conditions: Conditions) -> None:
        """Remove an empty bucket; raise Problem (409) when it holds objects."""
        with self._database.transaction():
            conditions.check(_Version(self._find(name)))
            if self._database.one("bucket_holds_objects", name=name):
                raise conflict("The bucket you tried to delete is not empty.")
            self._database.run("delete_bucket", name=name)

    def _find(self, name: str) -> sqlite3.Row:
        return require_bucket(self._database, name)


class _Version:
    """A bucket as conditions see it: it has no generations, but metagenerations."""

    generation = 0

    def __init__(self, row: sqlite3.Row) -> None:
        self.metageneration: int = row["metageneration"]
        self.etag: str = _etag(row)


def require_bucket(database: Database, name: str) -> sqlite3.Row:
    """Return a bucket's row; raise Problem (404) when there is none."""
    row = database.one("find_bucket", name=name)
    if row is None:
        raise missing("The specified bucket does not exist.")
    return row


def _etag(row: sqlite3.Row) -> str:
    return f"{row['created_at']:x}.{row['metageneration']}"


def _read_fields(sent: Mapping[str, object]) -> Json:
    return {name: value for name, value in sent.items() if name not in _OWN_FIELDS}


def _resource(row: sqlite3.Row, base_url: str) -> Json:
    fields: Json = json.loads(row["fields"])
    return fields | {
        "kind": "storage#bucket",
        "id": row["name"],
        "name": row["name"],
        "selfLink": f"{base_url}/storage/v1/b/{row['name']}",
        "projectNumber": "1",
        "metageneration": str(row["metageneration"]),
        "etag": _etag(row),
        "timeCreated": write_time(row["created_at"]),
        "updated": write_time(row["updated_at"]),
    }
