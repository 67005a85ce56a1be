"""Say who is who: name, merge, split, rename, other names; every change is a decision on record and can be undone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID, uuid4

from sonicgen.domain.speaker import Speaker, VoiceState, read_name
from sonicgen.errors import ConflictError, InputError, NotFoundError
from sonicgen.steps.services import Services
from sonicgen.store import changes, decisions, speakers, voices
from sonicgen.store.database import Connection

# Events that read the same recordings take rows in another order; Postgres then stops one of the two.
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change came to: whom it left, the decision that undoes it, and in how many recordings names are new."""

    speaker: Speaker
    decision_id: UUID
    recordings: int

    def to_json(self) -> dict[str, object]:
        """Return the documented form."""
        return {
            "id": str(self.speaker.id),
            "name": self.speaker.name,
            "title": self.speaker.title,
            "decision": str(self.decision_id),
            "recordings": self.recordings,
        }


def name_speaker(services: Services, speaker_id: UUID, name: str, *, by: str) -> Changed:
    """Give a voice or a person a name; all its recordings have it from then on, past and future.

    A voice that is given the name of somebody known becomes theirs; a person cannot take somebody else's name. What the
    voice's group holds is taken as heard and confirmed. Raises NotFoundError, InputError.
    """
    name = read_name(name)
    with services.database.transaction() as connection:
        speaker, other = speakers.get(connection, speaker_id), speakers.by_name(connection, name)
    if other is not None and other.id != speaker.id:
        if speaker.is_known:
            raise InputError(f"Somebody is called {other.title!r} already; if both are one person, merge them.")
        return merge_speakers(services, [speaker.id], other.id, by=by, kind="speaker_named")

    def work(connection: Connection) -> Speaker:
        _check_free(connection, name, speaker.id)
        named = speakers.rename(connection, speaker.id, name)
        if not speaker.is_known:
            held = voices.lock_of_speakers(connection, [speaker.id])
            ids = [voice.id for voice in held if voice.source_id is None]
            voices.assign(connection, ids, speaker.id, decided_by=by, is_confirmed=True)
        return named

    kind = "speaker_renamed" if speaker.is_known else "speaker_named"
    return change(services, kind, [speaker.id], work, by=by)


def merge_speakers(
    services: Services, from_ids: Sequence[UUID], into_id: UUID, *, by: str, kind: str = "speakers_merged"
) -> Changed:
    """Make several speakers one; the names of those that go become other names of the one that stays.

    Raises NotFoundError, InputError.
    """
    from_ids = [each for each in dict.fromkeys(from_ids) if each != into_id]
    if not from_ids:
        raise InputError("Name at least two different speakers to merge.")

    def work(connection: Connection) -> Speaker:
        into = speakers.get(connection, into_id)
        for from_id in from_ids:
            source = speakers.get(connection, from_id)
            held = [v.id for v in voices.lock_of_speakers(connection, [from_id]) if v.source_id is None]
            voices.assign(connection, held, into.id, decided_by=by, is_confirmed=True)
            speakers.move_belongings(connection, from_id, into.id)
            speakers.delete(connection, from_id)
            if source.name is not None and into.name is None:
                into = speakers.rename(connection, into.id, source.name)
            elif source.name is not None:
                speakers.add_alias(connection, into.id, source.name)
        return into

    return change(services, kind, [into_id, *from_ids], work, by=by)


def split_speaker(
    services: Services, speaker_id: UUID, voice_ids: Sequence[UUID], name: str | None = None, *, by: str
) -> Changed:
    """Take some voices away from a speaker: they are somebody else, with a name, or unknown.

    Raises NotFoundError, InputError.
    """
    name = None if name is None else read_name(name)
    with services.database.transaction() as connection:
        other = None if name is None else speakers.by_name(connection, name)
        held = {voice.id: voice for voice in voices.of_speaker(connection, speaker_id)}
    if other is not None and other.id == speaker_id:
        raise InputError(f"That is {other.title} already; give another name, or none.")
    wanted = {held[each].source_id or each for each in voice_ids if each in held}
    if len(wanted) < len(set(voice_ids)) or not wanted:
        raise NotFoundError("Not all of these are voices of that speaker; `sonicgen speakers show` lists them.")
    target = other.id if other else uuid4()

    def work(connection: Connection) -> Speaker:
        speakers.get(connection, speaker_id)
        given = speakers.find(connection, target) or speakers.create(connection, name, target)
        voices.assign(connection, sorted(wanted), given.id, decided_by=by, is_confirmed=True)
        if not given.is_known:
            speakers.reject(connection, given.id, speaker_id)
        return given

    return change(services, "speaker_split", [speaker_id, target], work, by=by)


def add_alias(services: Services, speaker_id: UUID, alias: str, *, by: str) -> Changed:
    """Give a person another name, by which they are found too. Raises NotFoundError, InputError."""
    alias = read_name(alias)

    def work(connection: Connection) -> Speaker:
        speaker = speakers.get(connection, speaker_id)
        if not speaker.is_known:
            raise InputError(f"{speaker.title} has no name yet; name it first.")
        _check_free(connection, alias, speaker_id)
        speakers.add_alias(connection, speaker_id, alias)
        return speaker

    return change(services, "alias_added", [speaker_id], work, by=by)


def remove_alias(services: Services, speaker_id: UUID, alias: str, *, by: str) -> Changed:
    """Take another name away. Raises NotFoundError."""

    def work(connection: Connection) -> Speaker:
        speaker = speakers.get(connection, speaker_id)
        if not speakers.remove_alias(connection, speaker_id, alias):
            raise NotFoundError(f"{speaker.title} has no other name {alias!r}.")
        return speaker

    return change(services, "alias_removed", [speaker_id], work, by=by)


def reject_suggestion(services: Services, speaker_id: UUID, person_id: UUID, *, by: str) -> Changed:
    """Say that an unknown voice is not somebody: they are not suggested again. Raises NotFoundError."""

    def work(connection: Connection) -> Speaker:
        speaker = speakers.get(connection, speaker_id)
        speakers.reject(connection, speaker_id, speakers.get(connection, person_id).id)
        return speaker

    return change(services, "suggestion_rejected", [speaker_id, person_id], work, by=by)


def skip_voice(services: Services, speaker_id: UUID) -> None:
    """Put an unknown voice at the end of those that wait for a name. Raises NotFoundError."""
    with services.database.transaction() as connection:
        speakers.skip(connection, speakers.get(connection, speaker_id).id)


def undo_change(services: Services, decision_id: UUID | None = None, *, by: str) -> changes.Change:
    """Take back a change of speakers, the latest that stands unless one is named; return it.

    Raises NotFoundError, InputError when something of it was changed since.
    """
    with services.database.transaction() as connection:
        speakers.lock(connection)
        found = changes.latest(connection) if decision_id is None else changes.get(connection, decision_id)
        if found is None:
            raise NotFoundError("There is no change of speakers to undo.")
        if found.undone_at is not None:
            raise InputError("That was undone already.")
        in_the_way = changes.later(connection, found)
        if in_the_way is not None:
            raise InputError(f"The same speakers were changed since; undo {in_the_way} first.")
        heard = voices.recordings_of(connection, found.speaker_ids)
        changes.restore(connection, found)
        decisions.undo(connection, found.decision_id)
        decisions.record(connection, f"{found.kind}_undone", found.speaker_ids, decided_by=by, thresholds={})
        _settle(services, connection, found.speaker_ids, heard)
    services.gallery.flush()
    return found


def change(
    services: Services,
    kind: str,
    speaker_ids: Sequence[UUID],
    work: Callable[[Connection], Speaker],
    *,
    by: str,
    thresholds: dict[str, object] | None = None,
) -> Changed:
    """Carry out a change of these speakers as one decision: record, vectors and the names in lines go with it.

    `work` may be called again when a recording that is just being read was in the way.
    """
    for _ in range(_TRIES - 1):
        with suppress(ConflictError):
            return _change_once(services, kind, speaker_ids, work, by, thresholds)
    return _change_once(services, kind, speaker_ids, work, by, thresholds)


def _change_once(
    services: Services,
    kind: str,
    speaker_ids: Sequence[UUID],
    work: Callable[[Connection], Speaker],
    by: str,
    thresholds: dict[str, object] | None,
) -> Changed:
    with services.database.transaction() as connection:
        speakers.lock(connection)
        before = changes.capture(connection, speaker_ids)
        heard = voices.recordings_of(connection, speaker_ids)
        speaker = work(connection)
        after = changes.capture(connection, speaker_ids)
        decision = decisions.record(connection, kind, speaker_ids, decided_by=by, thresholds=thresholds or {})
        changes.record(connection, decision.id, kind, speaker_ids, before, after)
        renamed = _settle(services, connection, speaker_ids, heard)
    services.gallery.flush()
    return Changed(speaker, decision.id, len(renamed))


def _settle(
    services: Services, connection: Connection, speaker_ids: Sequence[UUID], heard: Sequence[UUID]
) -> list[UUID]:
    """Bring vectors, copies and the names in lines up to what the record says now; return the recordings renamed."""
    held = voices.lock_of_speakers(connection, speaker_ids)
    present = speakers.by_ids(connection, speaker_ids)
    samples = voices.samples_of(connection, speaker_ids)
    for speaker in present.values():
        clips = [clip for voice in held if voice.speaker_id == speaker.id for clip in voice.clips]
        ids = [each for clip in (*clips, *samples.get(speaker.id, ())) for each in clip.voiceprint_ids]
        if ids:
            services.gallery.assign(ids, speaker.id, is_known=speaker.is_known, within=connection)
        services.gallery.set_known(speaker.id, speaker.is_known, within=connection)
    voices.follow_sources(connection, [voice.id for voice in held if voice.state is not VoiceState.ERASED])
    return voices.write_names(connection, [*heard, *voices.recordings_of(connection, speaker_ids)])


def _check_free(connection: Connection, name: str, speaker_id: UUID) -> None:
    other = speakers.by_name(connection, name)
    if other is not None and other.id != speaker_id:
        raise InputError(f"Somebody is called {other.title!r} already; if both are one person, merge them.")
