"""Who is told of changes in a bucket, and the messages they get.

Specification: https://cloud.google.com/storage/docs/pubsub-notifications
"""

from __future__ import annotations

import json
import re
import sqlite3
from enum import StrEnum

from sonicgen.local.storage.buckets import require_bucket
from sonicgen.local.storage.database import Database, now_microseconds
from sonicgen.local.storage.problems import invalid, missing
from sonicgen.local.storage.resources import Json, ObjectRow, write_time

_TOPIC = re.compile(r"(?://pubsub\.googleapis\.com/)?(projects/[^/]+/topics/[^/]+)")
_PAYLOADS = ("JSON_API_V1", "NONE")


class EventType(StrEnum):
    """What can happen to an object."""

    FINALIZE = "OBJECT_FINALIZE"
    DELETE = "OBJECT_DELETE"
    METADATA_UPDATE = "OBJECT_METADATA_UPDATE"
    ARCHIVE = "OBJECT_ARCHIVE"  # needs object versioning, which there is none of here; may be subscribed to


class Notifications:
    """The notification configs of all buckets, and the outbox they fill; all calls may block."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, bucket: str, sent: Json, base_url: str) -> Json:
        """Return the resource of a new config; raise Problem when it cannot work."""
        topic = _TOPIC.fullmatch(str(sent.get("topic") or ""))
        if topic is None:
            raise invalid("The topic must look like //pubsub.googleapis.com/projects/PROJECT/topics/TOPIC.")
        payload_format = sent.get("payload_format") or "JSON_API_V1"
        if payload_format not in _PAYLOADS:
            raise invalid(f"The payload_format must be one of {', '.join(_PAYLOADS)}.")
        event_types = sent.get("event_types") or []
        if not isinstance(event_types, list) or not set(event_types) <= set(EventType):
            raise invalid(f"The event_types must be a list of {', '.join(EventType)}.")
        custom = sent.get("custom_attributes") or {}
        if not isinstance(custom, dict) or not all(isinstance(value, str) for value in custom.values()):
            raise invalid("The custom_attributes must be an object of texts.")
        with self._database.transaction():
            require_bucket(self._database, bucket)
            row = self._database.one(
                "insert_notification",
                bucket=bucket,
                topic=topic[1],
                payload_format=payload_format,
                event_types=json.dumps(event_types),
                object_name_prefix=str(sent.get("object_name_prefix") or ""),
                custom_attributes=json.dumps(custom),
            )
        assert row is not None  # noqa: S101  # INSERT ... RETURNING gives the row it made
        return _resource(row, base_url)

    def get(self, bucket: str, number: str, base_url: str) -> Json:
        """Return a config's resource; raise Problem (404) when there is none."""
        require_bucket(self._database, bucket)
        row = self._database.one("find_notification", bucket=bucket, id=_read_number(number))
        if row is None:
            raise _no_such_config(number)
        return _resource(row, base_url)

    def list(self, bucket: str, base_url: str) -> Json:
        """Return all configs of a bucket."""
        require_bucket(self._database, bucket)
        rows = self._database.all("list_notifications", bucket=bucket)
        return {"kind": "storage#notifications", "items": [_resource(row, base_url) for row in rows]}

    def delete(self, bucket: str, number: str) -> None:
        """Remove a config; what is in the outbox already is still published."""
        require_bucket(self._database, bucket)
        if not self._database.run("delete_notification", bucket=bucket, id=_read_number(number)):
            raise _no_such_config(number)

    def record(self, event: EventType, row: ObjectRow, base_url: str, **extra: str) -> None:
        """Put what the bucket's configs ask for into the outbox; call it within the transaction that made it true."""
        for config in self._database.all("list_notifications", bucket=row.bucket):
            wanted = json.loads(config["event_types"])
            if (wanted and event not in wanted) or not row.name.startswith(config["object_name_prefix"]):
                continue
            attributes = json.loads(config["custom_attributes"]) | {
                "notificationConfig": f"projects/_/buckets/{row.bucket}/notificationConfigs/{config['id']}",
                "eventType": str(event),
                "payloadFormat": config["payload_format"],
                "bucketId": row.bucket,
                "objectId": row.name,
                "objectGeneration": str(row.generation),
                "eventTime": write_time(now_microseconds()),
            }
            data = b"" if config["payload_format"] == "NONE" else json.dumps(row.resource(base_url), indent=2).encode()
            self._database.run(
                "insert_outgoing", topic=config["topic"], data=data, attributes=json.dumps(attributes | extra)
            )


def _read_number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise _no_such_config(text)
    return int(text)


def _no_such_config(number: str) -> Exception:
    return missing(f"No such notification config: {number}")


def _resource(row: sqlite3.Row, base_url: str) -> Json:
    resource: Json = {
        "kind": "storage#notification",
        "id": str(row["id"]),
        "selfLink": f"{base_url}/storage/v1/b/{row['bucket']}/notificationConfigs/{row['id']}",
        "topic": f"//pubsub.googleapis.com/{row['topic']}",
        "payload_format": row["payload_format"],
        "etag": str(row["id"]),
    }
    if event_types := json.loads(row["event_types"]):
        resource["event_types"] = event_types
    if custom := json.loads(row["custom_attributes"]):
        resource["custom_attributes"] = custom
    if row["object_name_prefix"]:
        resource["object_name_prefix"] = row["object_name_prefix"]
    return resource
