"""Tell the bus of objects that lay in a bucket before it had a notification, or whose notifications were lost."""

from __future__ import annotations

from sonicgen.cloud.bus import publish_message
from sonicgen.cloud.objects import StoredObject, list_objects
from sonicgen.domain.recording import recording_id
from sonicgen.errors import ConflictError, InputError, LeaseHeldError, NotFoundError
from sonicgen.events.objects import ObjectFinalized
from sonicgen.steps import retry_recording
from sonicgen.steps.retry_recording import TOPIC
from sonicgen.steps.services import Services
from sonicgen.store import recordings


def backfill(services: Services, bucket: str, prefix: str = "") -> int:
    """Send an upload's event for every object of the inbox that no recording is known of; return how many.

    Safe to repeat and to run beside uploads: a recording's id derives from its object, and an object whose event comes
    twice is read once. After a loss of the database it fills the index again, whatever the event ledger remembers.
    Downloads' objects are left out, as their ids are their videos'. Raises InputError for another bucket.
    """
    if bucket != services.settings.inbox_bucket:
        raise InputError(f"{bucket} is not the inbox; only {services.settings.inbox_bucket} holds uploads.")
    sent = 0
    for stored in list_objects(bucket, prefix):
        if stored.size_bytes and not _is_known(services, stored) and _is_open(services, stored):
            publish_message(TOPIC, *_upload(stored).to_notification())
            sent += 1
    return sent


def _is_known(services: Services, stored: StoredObject) -> bool:
    try:
        recordings.get(services.database, recording_id(stored.bucket, stored.name, stored.generation))
    except NotFoundError:
        return False
    return True


def _is_open(services: Services, stored: StoredObject) -> bool:
    """Open the ledger's entry of an object whose recording was lost; False while a worker is at it."""
    try:
        services.ledger.reopen(retry_recording.FUNCTION, _upload(stored).identity)
    except (LeaseHeldError, ConflictError):
        return False
    return True


def _upload(stored: StoredObject) -> ObjectFinalized:
    return ObjectFinalized(
        bucket=stored.bucket,
        name=stored.name,
        generation=stored.generation,
        size_bytes=stored.size_bytes,
        md5=stored.md5,
        content_type=stored.content_type,
        event_id="",
    )
