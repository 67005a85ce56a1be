"""Object rows, and the JSON resources that clients see and send.

Specification: https://cloud.google.com/storage/docs/json_api/v1/objects#resource
"""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import quote

from sonicgen.local.storage.files import Body
from sonicgen.local.storage.problems import Problem, invalid

Json = dict[str, Any]

_WRITABLE_TEXTS = frozenset(
    {
        "cacheControl",
        "contentDisposition",
        "contentEncoding",
        "contentLanguage",
        "contentType",
        "customTime",
        "storageClass",
    }
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """One object as the database has it; `fields` are those that a client may set."""

    bucket: str
    name: str
    generation: int
    metageneration: int
    body: Body
    fields: Json
    created_at: int
    updated_at: int

    @classmethod
    def load(cls, row: sqlite3.Row) -> Self:
        """Return the object of a database row."""
        body = Body(row["file"], row["size_bytes"], row["md5"], row["crc32c"], row["component_count"])
        return cls(
            row["bucket"],
            row["name"],
            row["generation"],
            row["metageneration"],
            body,
            json.loads(row["fields"]),
            row["created_at"],
            row["updated_at"],
        )

    @property
    def etag(self) -> str:
        """What changes whenever the object or its metadata does."""
        return base64.b64encode(f"{self.generation}/{self.metageneration}".encode()).decode("ascii")

    @property
    def content_type(self) -> str:
        """The media type; Cloud Storage serves what has none as plain bytes."""
        return str(self.fields.get("contentType") or "application/octet-stream")

    def resource(self, base_url: str) -> Json:
        """Return the object resource; `base_url` is this server's address as the client knows it."""
        path = f"/storage/v1/b/{self.bucket}/o/{quote(self.name, safe='')}"
        resource: Json = {
            "kind": "storage#object",
            "id": f"{self.bucket}/{self.name}/{self.generation}",
            "selfLink": f"{base_url}{path}",
            "mediaLink": f"{base_url}/download{path}?generation={self.generation}&alt=media",
            "name": self.name,
            "bucket": self.bucket,
            "generation": str(self.generation),
            "metageneration": str(self.metageneration),
            "storageClass": "STANDARD",
            "size": str(self.body.size_bytes),
            "crc32c": self.body.crc32c,
            "etag": self.etag,
            "timeCreated": write_time(self.created_at),
            "updated": write_time(self.updated_at),
            "timeStorageClassUpdated": write_time(self.created_at),
        }
        if self.body.md5 is not None:
            resource["md5Hash"] = self.body.md5
        if self.body.component_count is not None:
            resource["componentCount"] = self.body.component_count
        return resource | self.fields


@dataclass(frozen=True, slots=True)
class Draft:
    """An object to be: what its uploader says of it. Hashes are base64, None where nothing was promised."""

    bucket: str
    name: str
    fields: Json
    md5: str | None = None
    crc32c: str | None = None

    def check_body(self, body: Body) -> None:
        """Raise Problem when the bytes that came are not the ones promised."""
        if self.md5 not in (None, body.md5):
            raise invalid(f"Provided MD5 hash '{self.md5}' doesn't match calculated MD5 hash '{body.md5}'.")
        if self.crc32c not in (None, body.crc32c):
            raise invalid(f"Provided CRC32C '{self.crc32c}' doesn't match calculated CRC32C '{body.crc32c}'.")


def read_fields(sent: Mapping[str, Any]) -> Json:
    """Return what a client may set of a resource it sent; raise Problem for values of a wrong kind."""
    return merge_fields({}, sent)


def merge_fields(kept: Json, patch: Mapping[str, Any]) -> Json:
    """Return fields with a patch laid over them, in which null removes."""
    merged = dict(kept)
    for name in _WRITABLE_TEXTS & patch.keys():
        value = patch[name]
        if value is not None and not isinstance(value, str):
            raise invalid(f"Invalid value for {name}: it must be a text.")
        _set(merged, name, value)
    if "metadata" in patch:
        sent = patch["metadata"]
        if sent is not None and not isinstance(sent, dict):
            raise invalid("Invalid value for metadata: it must be an object of texts.")
        metadata = dict(kept.get("metadata") or {}) if sent is not None else {}
        for name, value in (sent or {}).items():
            _set(metadata, name, None if value is None else str(value))
        _set(merged, "metadata", metadata or None)
    return merged


def _set(fields: Json, name: str, value: object) -> None:
    if value is None:
        fields.pop(name, None)
    else:
        fields[name] = value


def write_time(microseconds: int) -> str:
    """Return a time as RFC 3339."""
    moment = _EPOCH + timedelta(microseconds=microseconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read_json(text: bytes) -> Json:
    """Return a request's JSON object, empty for no body; raise Problem when it is something else."""
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except ValueError as error:
        raise Problem(400, "parseError", "Parse Error") from error
    if not isinstance(value, dict):
        raise Problem(400, "parseError", "Parse Error")
    return value
