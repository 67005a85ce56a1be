"""Everything that is known of one speaker: names, consent, where they are heard, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sonicgen.errors import InputError, NotFoundError
from sonicgen.steps.label_voices import describe_voice
from sonicgen.steps.services import Services
from sonicgen.store import recordings, speakers, voices


def show_speaker(services: Services, speaker_id: UUID) -> dict[str, Any]:
    """Return a speaker in the documented form. Vectors are no part of it. Raises NotFoundError."""
    told = describe_voice(services, speaker_id).to_json()
    with services.database.transaction() as connection:
        aliases = speakers.aliases_of(connection, [speaker_id]).get(speaker_id, [])
        consents = speakers.consents_of(connection, speaker_id)
        held = voices.of_speaker(connection, speaker_id)
    titles = {video_id: recordings.get(services.database, video_id).title for video_id in {v.video_id for v in held}}
    return {
        **told,
        "aliases": aliases,
        "consents": [
            {
                "given_by": consent.given_by,
                "purpose": consent.purpose,
                "given_at": consent.given_at.isoformat(),
                "recorded_by": consent.recorded_by,
                "recorded_at": consent.recorded_at.isoformat(),
            }
            for consent in consents
        ],
        "appearances": [
            {
                "voice": str(voice.id),
                "recording": str(voice.video_id),
                "title": titles[voice.video_id],
                "label": voice.label,
                "speech_seconds": round(voice.speech_seconds, 3),
                "outcome": voice.outcome,
                "probability": voice.probability,
                "margin": voice.margin,
                "model": voice.model,
                "thresholds": voice.thresholds,
                "decided_by": voice.decided_by,
                "is_confirmed": voice.is_confirmed,
                "is_inherited": voice.source_id is not None,
                "turns": [[round(t.start_seconds, 3), round(t.end_seconds, 3)] for t in voice.turns],
            }
            for voice in held
        ],
    }


def find_voices(services: Services, speaker_id: UUID, texts: Sequence[str]) -> list[UUID]:
    """Return which of a speaker's voices are meant, by id or its beginning.

    Raises NotFoundError, InputError when several begin so.
    """
    with services.database.transaction() as connection:
        held = [voice.id for voice in voices.of_speaker(connection, speaker_id)]
    found = []
    for text in texts:
        matching = [each for each in held if str(each).startswith(text.lower())]
        if not matching:
            raise NotFoundError(f"That speaker has no voice {text}; `sonicgen speakers show` lists them.")
        if len(matching) > 1:
            raise InputError(f"Several voices' ids begin with {text}; give more of it.")
        found.append(matching[0])
    return found
