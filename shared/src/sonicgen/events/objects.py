"""A recording was dropped into a bucket: Cloud Storage's own event, in each of its shapes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sonicgen.errors import InputError
from sonicgen.events.envelope import MESSAGE_PUBLISHED, CloudEvent, Envelope, open_envelope, read_time, require

FINALIZED = "google.cloud.storage.object.v1.finalized"
_NOTIFIED_FINALIZE = "OBJECT_FINALIZE"
# The metadata by which a download says whose sound it is.
VIDEO_ID = "sonicgen-video-id"
_STORAGE_PREFIX = "google.cloud.storage.object.v1."


@dataclass(frozen=True, slots=True)
class ObjectFinalized:
    """An object came to be, or was overwritten; `generation` says which of the uploads to that name it is.

    `md5` is base64 and None for composed objects. `event_id` differs between two notifications of the same upload, so
    `identity` is what to remember. `video_id` is what the object's own metadata say it is the sound of; anybody who may
    write into the bucket can say so.
    """

    bucket: str
    name: str
    generation: int
    size_bytes: int
    md5: str | None
    content_type: str | None
    event_id: str
    time: datetime | None = None
    overwrote_generation: int | None = None
    video_id: UUID | None = None

    @property
    def identity(self) -> str:
        """What is the same however often and in whatever shape the event comes: bucket/name#generation."""
        return f"{self.bucket}/{self.name}#{self.generation}"

    def to_notification(self) -> tuple[bytes, dict[str, str]]:
        """Return the data and attributes of a Pub/Sub message that tells of this object as the bucket would."""
        resource = {
            "kind": "storage#object",
            "bucket": self.bucket,
            "name": self.name,
            "generation": str(self.generation),
            "size": str(self.size_bytes),
            **({"md5Hash": self.md5} if self.md5 else {}),
            **({"contentType": self.content_type} if self.content_type else {}),
            **({"metadata": {VIDEO_ID: str(self.video_id)}} if self.video_id else {}),
        }
        attributes = {
            "eventType": _NOTIFIED_FINALIZE,
            "payloadFormat": "JSON_API_V1",
            "bucketId": self.bucket,
            "objectId": self.name,
            "objectGeneration": str(self.generation),
        }
        return json.dumps(resource).encode(), attributes

    @property
    def uri(self) -> str:
        """The object's address."""
        return f"gs://{self.bucket}/{self.name}"


def parse_object_event(event: CloudEvent | Mapping[str, Any]) -> ObjectFinalized | None:
    """Return the new object an event tells of; None for events to acknowledge and ignore (deleted, metadata changed).

    Raises InputError, naming what is missing, for an event that is none of Cloud Storage.
    """
    envelope = open_envelope(event)
    if envelope.event_type == MESSAGE_PUBLISHED:
        return _from_notification(envelope)
    if envelope.event_type == FINALIZED:
        return _from_resource(envelope)
    if envelope.event_type.startswith(_STORAGE_PREFIX):
        return None
    raise InputError(f"An event of type {envelope.event_type} is no storage event.")


def _from_notification(envelope: Envelope) -> ObjectFinalized | None:
    kind = envelope.attributes.get("eventType")
    if not kind:
        raise InputError("The Pub/Sub message has no attribute eventType, so it is no storage notification.")
    return _from_resource(envelope) if kind == _NOTIFIED_FINALIZE else None


def _from_resource(envelope: Envelope) -> ObjectFinalized:
    """Read the resource; the attributes of a notification say the same and win, as they are always there."""
    data, attributes = envelope.data, envelope.attributes
    if not data:
        raise InputError(
            "The storage event has no object resource; set the notification's payload_format to JSON_API_V1."
        )
    bucket = attributes.get("bucketId") or require(data, "bucket", "object resource")
    name = attributes.get("objectId") or require(data, "name", "object resource")
    generation = attributes.get("objectGeneration") or require(data, "generation", "object resource")
    overwrote = attributes.get("overwroteGeneration")
    happened = attributes.get("eventTime")
    return ObjectFinalized(
        bucket=str(bucket),
        name=str(name),
        generation=_number(generation, "generation"),
        size_bytes=_number(require(data, "size", "object resource"), "size"),
        md5=data.get("md5Hash") or None,
        content_type=data.get("contentType") or None,
        event_id=envelope.event_id,
        time=read_time(happened) if happened else envelope.time,
        overwrote_generation=_number(overwrote, "overwroteGeneration") if overwrote else None,
        video_id=_video_id(data.get("metadata")),
    )


def _video_id(metadata: object) -> UUID | None:
    """Return the video that metadata name; None when they name none, or something else under the same word."""
    text = metadata.get(VIDEO_ID) if isinstance(metadata, Mapping) else None
    try:
        return UUID(str(text)) if text else None
    except ValueError:
        return None


def _number(value: object, name: str) -> int:
    """Return a count that JSON carries as text, because it may be larger than a double holds exactly."""
    try:
        number = int(str(value))
    except ValueError as error:
        raise InputError(f"The storage event's {name} {value!r} is no whole number.") from error
    if number < 0:
        raise InputError(f"The storage event's {name} {value!r} is negative.")
    return number
