"""Say whose the voices of a recording are: people that are known, groups of unknown voices, or new ones."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from sonicgen.cloud.ledger_entry import Outcome
from sonicgen.cloud.once import run_once
from sonicgen.domain.gallery import Voiceprint
from sonicgen.domain.speaker import RecordingVoice, Speaker, VoiceState, group_id
from sonicgen.domain.voice import VoiceModel
from sonicgen.events.clips_ready import ClipsReady
from sonicgen.log import log, log_context
from sonicgen.steps.embed_clips import Print, embed_clips
from sonicgen.steps.identify_voices import HeardVoice, Identified, identify_voices
from sonicgen.steps.inherit_voices import pass_on
from sonicgen.steps.services import Services
from sonicgen.steps.speaker_clips import forget_stale_vectors
from sonicgen.steps.voice_models import serving_calibration
from sonicgen.store import decisions, speakers, transcripts, voices
from sonicgen.store.database import Connection
from sonicgen.voices.encoder import Calibration
from sonicgen.voices.identify import Identity, profile
from sonicgen.voices.identify import Outcome as Verdict
from sonicgen.voices.linking import LinkedVoice, least_cosine, link

logger = logging.getLogger(__name__)

FUNCTION = "speaker_identify"
# Groups that a new voice may belong to; whoever is not among the closest few is not the same person.
GROUPS = 5
# From this probability on a person is suggested where the decision was not to name them.
SUGGESTED_PROBABILITY = 0.05


@dataclass(frozen=True, slots=True)
class _Heard:
    """One voice and the vectors of its clips."""

    voice: RecordingVoice
    prints: tuple[Print, ...]

    @property
    def seconds(self) -> float:
        return sum(each.seconds for each in self.prints)

    @property
    def vector(self) -> NDArray[np.float32]:
        """Its profile: the mean of all of them."""
        return profile(np.array([each.vector for each in self.prints]), [each.seconds for each in self.prints])


def speaker_identify(services: Services, event: ClipsReady) -> Outcome:
    """Find out whose voices a recording's clips hold, once; raises TransientError when the event must come again."""

    def work(_: object) -> dict[str, object]:
        found = identify_recording(services, event.recording_id)
        return {"voices": len(found), "known": sum(voice.outcome == Verdict.IDENTIFIED for voice in found)}

    with log_context(event_id=event.id, recording_id=str(event.recording_id)):
        return run_once(services.ledger, FUNCTION, event.id, work)


def identify_recording(services: Services, video_id: UUID) -> list[RecordingVoice]:
    """Decide whose the voices of a recording are that wait for it, and write the names into its lines.

    What a person has said stays. Safe to repeat. Returns the recording's voices. Raises UnavailableError when the
    embedder or the gallery does not answer.
    """
    with services.database.transaction() as connection:
        own = [voice for voice in voices.of_video(connection, video_id) if voice.source_id is None and voice.clips]
    if not any(voice.is_to_be_heard for voice in own):
        return own
    runner = services.embedder.runner()
    model, calibration = runner.model, serving_calibration(services, runner)
    heard = _listen(services, own, model)
    with services.database.transaction() as connection:
        speakers.lock(connection)
        if transcripts.lock(connection, video_id) is None:
            return []  # forgotten meanwhile
        present = {voice.id: voice for voice in voices.of_video(connection, video_id)}
        current = [replace(each, voice=present[each.voice.id]) for each in heard if each.voice.id in present]
        current = [each for each in current if each.voice.state is not VoiceState.ERASED]
        _decide(services, connection, model, calibration, current)
        _keep(services, connection, model, current)
        voices.follow_sources(connection, [each.voice.id for each in current])
        voices.write_names(connection, [video_id])
        found = voices.of_video(connection, video_id)
    services.gallery.flush()
    forget_stale_vectors(services, video_id)
    pass_on(services, video_id)
    log(logger, "Voices were listened to.", voices=len(found), model=model.key)
    return found


def _listen(services: Services, own: Sequence[RecordingVoice], model: VoiceModel) -> list[_Heard]:
    """Return the vectors of the voices' clips; those that the embedder made before are not made again."""
    known = {stored.id: (stored, vector) for stored, vector in services.gallery.of_recording(own[0].video_id, model)}
    heard: dict[UUID, Print] = {}
    for voice in own:
        for clip in voice.clips:
            made = next((known[each] for each in clip.voiceprint_ids if each in known), None)
            if made is not None:
                heard[clip.id] = Print(clip, np.asarray(made[1], np.float32).reshape(-1), made[0].voiceprint.seconds)
    missing = [clip for voice in own for clip in voice.clips if clip.id not in heard]
    heard |= {each.clip.id: each for each in embed_clips(services, missing, model)}
    return [_Heard(v, tuple(heard[c.id] for c in v.clips if c.id in heard)) for v in own]


def _decide(
    services: Services,
    connection: Connection,
    model: VoiceModel,
    calibration: Calibration,
    heard: Sequence[_Heard],
) -> None:
    """Write down whose each voice is: a person, else the group of unknown voices that it is linked to."""
    audible = [each for each in heard if each.prints]
    asked = [HeardVoice(each.voice.label, each.vector, each.seconds) for each in audible]
    found = identify_voices(services, model, calibration, asked) if asked else None
    known = speakers.by_ids(connection, [i.best_id for i in found.identities if i.best_id]) if found else {}
    taken = {each.voice.speaker_id for each in heard if each.voice.is_confirmed}
    named = {
        each.voice.id: identity.speaker_id
        for each, identity in zip(audible, found.identities if found else (), strict=True)
        if identity.speaker_id in known and identity.speaker_id not in taken and not each.voice.is_confirmed
    }
    unnamed = [each for each in heard if each.voice.id not in named and not each.voice.is_confirmed]
    groups = _link(services, connection, model, calibration, audible, found, unnamed)
    identities = dict(zip((each.voice.id for each in audible), found.identities if found else (), strict=True))
    for each in heard:
        if each.voice.is_confirmed:
            continue
        speaker_id = named.get(each.voice.id) or groups[each.voice.id]
        if speakers.find(connection, speaker_id) is None:
            speakers.create(connection, speaker_id=speaker_id)
        decision = _decision(speaker_id, model, identities.get(each.voice.id), known)
        if voices.decide(connection, each.voice.id, decision):
            decisions.record(
                connection,
                "voice_identified",
                [each.voice.video_id, each.voice.id, speaker_id],
                decided_by=f"model {model.key}",
                thresholds={**decision.thresholds, "probability_found": decision.probability},
            )


def _decision(
    speaker_id: UUID, model: VoiceModel, identity: Identity | None, known: Mapping[UUID, Speaker]
) -> voices.Decision:
    if identity is None:
        return voices.Decision(speaker_id, "no_speech", None, None, None, None, model.key, {})
    best = identity.best_id if identity.best_id in known else None
    suggested = best if best != speaker_id and identity.probability >= SUGGESTED_PROBABILITY else None
    outcome = identity.outcome
    if outcome is Verdict.IDENTIFIED and best != speaker_id:
        outcome = Verdict.TAKEN  # by a voice of which a person has said so
    return voices.Decision(
        speaker_id,
        outcome.value,
        identity.probability,
        identity.margin,
        identity.cosine,
        suggested,
        model.key,
        identity.thresholds.as_json(),
    )


def _link(
    services: Services,
    connection: Connection,
    model: VoiceModel,
    calibration: Calibration,
    audible: Sequence[_Heard],
    found: Identified | None,
    unnamed: Sequence[_Heard],
) -> dict[UUID, UUID]:
    """Return for each voice that is nobody known the group that it belongs to, which may be one that it founds."""
    founded = {each.voice.id: group_id(each.voice.id) for each in unnamed}
    groups = dict(founded)
    if found is None:
        return groups
    near = dict(zip((each.voice.id for each in audible), found.unknown, strict=True))
    close = {c.speaker_id for each in unnamed for c in near.get(each.voice.id, ())[:GROUPS]}
    close &= {key for key, each in speakers.by_ids(connection, list(close)).items() if not each.is_known}
    own = {each.voice.id for each in unnamed}
    least = found.identities[0].thresholds.seconds if found.identities else 0.0
    joining = [each for each in unnamed if each.prints and each.seconds >= least]
    present = [each for group in sorted(close) for each in _members(services, model, group, joining)]
    linked = present + [LinkedVoice(each.voice.id, each.voice.video_id, each.vector, each.seconds) for each in joining]
    for each, cluster_id in zip(linked, link(linked, least_cosine(calibration)).cluster_ids, strict=True):
        if each.id in own:
            groups[each.id] = founded.get(cluster_id, cluster_id)
    return groups


def _members(services: Services, model: VoiceModel, group: UUID, joining: Sequence[_Heard]) -> list[LinkedVoice]:
    """Return the voices of a group of unknown ones, without those that are being decided on."""
    deciding = {(each.voice.video_id, each.voice.label) for each in joining}
    by_voice: dict[tuple[UUID, str], list[tuple[NDArray[np.float32], float]]] = {}
    for stored, vector in services.gallery.of_speaker(group, model):
        told = stored.voiceprint
        if told.recording_id is None or told.voice is None or (told.recording_id, told.voice) in deciding:
            continue
        row = np.asarray(vector, np.float32).reshape(-1)
        by_voice.setdefault((told.recording_id, told.voice), []).append((row, told.seconds))
    members = []
    for number, ((recording_id, _), rows) in enumerate(sorted(by_voice.items())):
        seconds = [each for _, each in rows]
        vector = profile(np.array([row for row, _ in rows]), seconds)
        identifier = group if not number else UUID(int=group.int ^ number)
        members.append(LinkedVoice(identifier, recording_id, vector, sum(seconds), group))
    return members


def _keep(services: Services, connection: Connection, model: VoiceModel, heard: Sequence[_Heard]) -> None:
    """Put the vectors into the gallery as whose they are by now, in the transaction that says so."""
    present = {voice.id: voice for voice in voices.by_ids(connection, [each.voice.id for each in heard])}
    owners = speakers.by_ids(connection, [v.speaker_id for v in present.values() if v.speaker_id])
    prints, told = [], []
    for each in heard:
        voice = present[each.voice.id]
        owner = owners.get(voice.speaker_id) if voice.speaker_id else None
        for one in each.prints:
            prints.append(one)
            told.append(
                Voiceprint(
                    source=one.clip.object_name,
                    seconds=one.seconds,
                    speaker_id=owner.id if owner else None,
                    is_known=owner is not None and owner.is_known,
                    # What the model recognised does not teach it whom to recognise: its errors would feed themselves.
                    in_profile=owner is not None and (voice.is_confirmed or not owner.is_known),
                    recording_id=voice.video_id,
                    voice=voice.label,
                )
            )
    if not prints:
        return
    rows = np.array([each.vector for each in prints], np.float32)
    ids = services.gallery.add(model, rows, told, within=connection)
    voices.add_voiceprints(connection, [(each.clip.id, made) for each, made in zip(prints, ids, strict=True)])
