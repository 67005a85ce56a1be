"""Forget a person: vectors, clips, names, consents and decisions, everywhere; and look whether anything is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sonicgen.cloud.objects import delete_object, list_objects
from sonicgen.domain.speaker import Speaker
from sonicgen.steps.enrol_speaker import FOLDER as ENROLMENTS
from sonicgen.steps.services import Services
from sonicgen.steps.speaker_clips import FOLDER as CLIPS
from sonicgen.store import erasures, speakers, voice_jobs, voices

_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Traces:
    """What is left of a person, by place; all of it empty or zero after an erasure.

    `mentions` are lines that say the name and recordings called by it: they are what was said and published, stay, and
    are told so that a person can decide.
    """

    database: Mapping[str, int]
    objects: tuple[str, ...]
    vectors: int
    mentions: Mapping[str, int]

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not self.database and not self.objects and not self.vectors

    def to_json(self) -> dict[str, object]:
        """Return the documented form."""
        return {
            "is_clean": self.is_clean,
            "database": dict(self.database),
            "objects": list(self.objects),
            "vectors": self.vectors,
            "mentions": dict(self.mentions),
        }


@dataclass(frozen=True, slots=True)
class ForgottenSpeaker:
    """What an erasure removed, and the search for what is left."""

    removed: Mapping[str, int]
    traces: Traces

    def to_json(self) -> dict[str, object]:
        """Return the documented form."""
        return {"removed": dict(self.removed), "traces": self.traces.to_json()}


def forget_speaker(services: Services, speaker: Speaker, *, by: str) -> ForgottenSpeaker:
    """Remove all that is kept of a person or of a group of unknown voices, then search for it.

    Their voices in recordings become nobody's for good: nothing is cut or listened to there again. The recordings and
    their words stay; `sonicgen forget` removes those. Interrupted after the record is gone, maintenance removes the
    rest. Raises UnavailableError when a part does not answer.
    """
    with services.database.transaction() as connection:
        speakers.lock(connection)
        speaker = speakers.get(connection, speaker.id)
        names = _names(speaker, speakers.aliases_of(connection, [speaker.id]).get(speaker.id, []))
        ids = [speaker.id, *erasures.former_ids(connection, speaker.id)]
        heard = voices.recordings_of(connection, [speaker.id])
        vectors = services.gallery.delete(speaker_id=speaker.id, within=connection)
        clips = erasures.forget_clips(connection, speaker.id)
        clips = replace(clips, objects=(*clips.objects, *voice_jobs.forget_audio(connection, speaker.id)))
        if clips.voiceprint_ids:
            services.gallery.delete(ids=clips.voiceprint_ids, within=connection)
        erased = voices.erase(connection, speaker.id)
        renamed = set(voices.write_names(connection, heard))
        by_hand = erasures.forget_names(connection, names) if names else 0
        forgotten = erasures.forget_records(connection, ids, names)
        speakers.delete(connection, speaker.id)
        removed = {
            "vectors": vectors,
            "clips": len(clips.objects),
            "voices": erased,
            "recordings_with_names": len(renamed) + by_hand,
            "decisions": forgotten,
        }
        erasure_id = erasures.record(connection, by=by, removed=removed, objects=clips.objects)
    _remove_objects(services, erasure_id, clips.objects)
    services.gallery.flush()
    return ForgottenSpeaker(removed, find_traces(services, ids, names, clips.objects, clips.voiceprint_ids))


def find_traces(
    services: Services,
    ids: Sequence[UUID],
    names: Sequence[str],
    objects: Sequence[str] = (),
    voiceprint_ids: Sequence[UUID] = (),
) -> Traces:
    """Search database, bucket and vector index for a person: by ids, by names, by what was kept under them."""
    found: Counter[str] = Counter()
    with services.database.transaction() as connection:
        for each in ids:
            found.update(erasures.traces(connection, each, names))
        said = erasures.mentions(connection, names) if names else {}
    bucket, known = services.settings.media_bucket, set(objects)
    present = (stored.name for folder in (CLIPS, ENROLMENTS) for stored in list_objects(bucket, f"{folder}/"))
    left = tuple(name for name in present if name in known or any(str(each) in name for each in ids))
    vectors = sum(services.gallery.traces(each) for each in ids) + len(services.gallery.fetch(list(voiceprint_ids)))
    return Traces(found, left, vectors, said)


def finish_erasures(services: Services) -> int:
    """Remove the objects of erasures that were interrupted."""
    with services.database.transaction() as connection:
        unfinished = erasures.unfinished(connection, _AT_ONCE)
    for erasure_id, objects in unfinished.items():
        _remove_objects(services, erasure_id, objects)
    return len(unfinished)


def _remove_objects(services: Services, erasure_id: UUID, objects: Sequence[str]) -> None:
    for name in objects:
        delete_object(services.settings.media_bucket, name, missing_ok=True)
    with services.database.transaction() as connection:
        erasures.objects_removed(connection, erasure_id)


def _names(speaker: Speaker, aliases: Sequence[str]) -> list[str]:
    return [name.lower() for name in (speaker.name, *aliases) if name]
