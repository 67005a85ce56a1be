"""People with a name, and how much of their voice is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sonicgen.domain.speaker import Speaker
from sonicgen.errors import NotFoundError
from sonicgen.steps.enrol_speaker import FOLDER as ENROLMENTS
from sonicgen.steps.services import Services
from sonicgen.store import people, speakers


@dataclass(frozen=True, slots=True)
class Person:
    """A person; `samples` are files they were enrolled with, `embeddings` vectors by the key of their model."""

    speaker: Speaker
    samples: int
    created_at: datetime
    embeddings: Mapping[str, int] | None = None

    def to_json(self, *, whole: bool = False) -> dict[str, Any]:
        """Return the form of the older voice service."""
        told: dict[str, Any] = {
            "id": str(self.speaker.id),
            "name": self.speaker.name,
            "sample_count": self.samples,
            "created_at": self.created_at.isoformat(),
        }
        if whole:
            counts = dict(self.embeddings or {})
            told |= {"embedding_count": sum(counts.values()), "embeddings_by_model": counts}
        return told


def added_by(services: Services, speaker_id: UUID, enrolment_id: UUID) -> int:
    """Return how many vectors an enrolment added to a person."""
    place = f"{ENROLMENTS}/{enrolment_id}/"
    return sum(each.voiceprint.source.startswith(place) for each, _ in services.gallery.of_speaker(speaker_id))


def list_people(services: Services, *, offset: int, limit: int) -> tuple[list[Person], int]:
    """Return some people by name, and how many there are."""
    with services.database.transaction() as connection:
        rows, total = people.page(connection, offset=offset, limit=limit)
        known = speakers.by_ids(connection, [row.id for row in rows])
    return [Person(known[row.id], row.samples, row.created_at) for row in rows if row.id in known], total


def find_person(services: Services, speaker_id: UUID) -> Person:
    """Return one person; raise NotFoundError when there is none with a name."""
    with services.database.transaction() as connection:
        speaker = speakers.find(connection, speaker_id)
        row = people.find(connection, speaker_id)
    if speaker is None or row is None:
        raise NotFoundError(f"There is no speaker {speaker_id}.")
    counts = Counter(stored.model.key for stored, _ in services.gallery.of_speaker(speaker_id))
    return Person(speaker, row.samples, row.created_at, counts)
