"""Look whether groups of unknown voices are somebody who has become known: past recordings have the name too."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from sonicgen.domain.speaker import Clip, Speaker
from sonicgen.domain.voice import VoiceModel
from sonicgen.log import log
from sonicgen.steps.change_speakers import change
from sonicgen.steps.identify_voices import HeardVoice, identify_voices
from sonicgen.steps.services import Services
from sonicgen.steps.voice_models import models_in_use
from sonicgen.store import speakers, voices
from sonicgen.store.database import Connection
from sonicgen.voices.encoder import Calibration
from sonicgen.voices.identify import Identity, Outcome

logger = logging.getLogger(__name__)

# Groups that are looked at for one person; whoever is not among the closest is somebody else.
GROUPS = 50


def recognise_groups(services: Services, person_id: UUID) -> int:
    """Give a person the groups of unknown voices that surely are theirs; return how many these were.

    What somebody has taken out of a person, or called somebody else, is left alone.
    """
    count = 0
    for model, calibration in models_in_use(services):
        profile = services.gallery.profiles(model, [person_id]).get(person_id)
        if profile is None:
            continue
        query = np.asarray(profile, np.float32).reshape(1, -1)
        near = [each.speaker_id for each in services.gallery.nearest(model, query, GROUPS, is_known=False)[0]]
        for group, row in services.gallery.profiles(model, near).items():
            vector = np.asarray(row, np.float32).reshape(-1)
            count += _recognise(services, model, calibration, person_id, group, vector)
    return count


def _recognise(
    services: Services,
    model: VoiceModel,
    calibration: Calibration,
    person_id: UUID,
    group: UUID,
    row: NDArray[np.float32],
) -> bool:
    with services.database.transaction() as connection:
        held = [voice for voice in voices.of_speaker(connection, group) if voice.source_id is None]
        theirs = {voice.video_id for voice in voices.of_speaker(connection, person_id) if voice.source_id is None}
        is_rejected = person_id in speakers.rejected(connection, group)
    seconds = sum(clip.seconds for voice in held for clip in voice.clips)
    # Two voices of one recording are two people.
    if not held or is_rejected or any(voice.is_confirmed or voice.video_id in theirs for voice in held):
        return False
    asked = [HeardVoice("group", row, seconds)]
    (identity,) = identify_voices(services, model, calibration, asked).identities
    if identity.outcome is not Outcome.IDENTIFIED or identity.speaker_id != person_id:
        return False

    def work(connection: Connection) -> Speaker:
        moving = [v for v in voices.lock_of_speakers(connection, [group]) if v.source_id is None and not v.is_confirmed]
        for voice in moving:
            voices.decide(connection, voice.id, _decision(person_id, model, identity))
        _teach_nothing(services, connection, person_id, [clip for voice in moving for clip in voice.clips])
        return speakers.get(connection, person_id)

    thresholds: dict[str, object] = {**identity.thresholds.as_json(), "probability_found": identity.probability}
    change(services, "voices_recognised", [person_id, group], work, by=f"model {model.key}", thresholds=thresholds)
    log(logger, "A group of unknown voices was recognised.", voices=len(held), probability=identity.probability)
    return True


def _teach_nothing(services: Services, connection: Connection, person_id: UUID, clips: Sequence[Clip]) -> None:
    """Keep vectors that the model recognised out of the profile that it recognises by."""
    found = services.gallery.fetch([each for clip in clips for each in clip.voiceprint_ids])
    for model in {stored.model for stored, _ in found}:
        own = [(stored.voiceprint, vector) for stored, vector in found if stored.model == model]
        told = [replace(told, speaker_id=person_id, is_known=True, in_profile=False) for told, _ in own]
        rows = np.array([np.asarray(vector, np.float32).reshape(-1) for _, vector in own])
        services.gallery.add(model, rows, told, within=connection)


def _decision(person_id: UUID, model: VoiceModel, identity: Identity) -> voices.Decision:
    return voices.Decision(
        person_id,
        identity.outcome.value,
        identity.probability,
        identity.margin,
        identity.cosine,
        None,
        model.key,
        identity.thresholds.as_json(),
    )
