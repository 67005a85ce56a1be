"""Forget a recording: its row, postings, matches and bytes; what was a copy of it is judged anew."""

from __future__ import annotations

from dataclasses import dataclass

from sonicgen.cloud.objects import delete_object, list_objects
from sonicgen.domain.recording import Recording
from sonicgen.steps.retry_recording import retry_recording
from sonicgen.steps.services import Services
from sonicgen.store import recordings


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was forgotten, and the former copies that are on their way to a new verdict."""

    recording: Recording
    judged_anew: tuple[Recording, ...]


def forget_recording(services: Services, recording: Recording) -> Forgotten:
    """Remove everything that is kept of a recording.

    Its copies lose their original; each is read again and becomes an original or a copy of another. Interrupted after
    the row is gone, the copies stand as pending and `sonicgen replay` sends them on.
    """
    with services.database.transaction() as connection:
        copies = recordings.delete(connection, recording.id)
    if recording.is_stored:
        delete_object(recording.bucket, recording.object_name, generation=recording.generation, missing_ok=True)
    _delete_derived_objects(services, recording)
    if services.settings.gallery_index == "pinecone":  # in Postgres the vectors went with the row
        services.gallery.flush()
    again = tuple(recordings.get(services.database, copy) for copy in copies)
    for copy in again:
        retry_recording(services, copy)
    return Forgotten(recording, again)


def _delete_derived_objects(services: Services, recording: Recording) -> None:
    bucket = services.settings.media_bucket
    for folder in ("transcripts", "novel", "clips"):
        for stored in list(list_objects(bucket, f"{folder}/{recording.id}/")):
            delete_object(bucket, stored.name, missing_ok=True)
