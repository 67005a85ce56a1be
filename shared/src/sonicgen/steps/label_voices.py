"""What somebody who names voices is shown: the voice that a name helps most, a few clips, who it may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from sonicgen.cloud.objects import open_object
from sonicgen.domain.speaker import Clip, RecordingVoice
from sonicgen.errors import NotFoundError, SonicGenError
from sonicgen.steps.services import Services
from sonicgen.steps.voice_models import models_in_use
from sonicgen.store import recordings, speakers, utterances, voices
from sonicgen.store.speakers import Overview

# Enough to know a voice by; from different recordings where there are several.
CLIPS = 3
SUGGESTIONS = 3
# Below this probability a name would be a guess; at even odds before hearing, among the people who are known.
LEAST_PROBABILITY = 0.05
_SAID_CHARACTERS = 120


@dataclass(frozen=True, slots=True)
class ClipToHear:
    """A clip, and what is said in it."""

    clip: Clip
    recording_id: UUID
    recording_title: str
    said: str

    def to_json(self) -> dict[str, object]:
        """Return the documented form."""
        return {
            "id": str(self.clip.id),
            "recording": str(self.recording_id),
            "title": self.recording_title,
            "start_seconds": round(self.clip.start_seconds, 3),
            "end_seconds": round(self.clip.end_seconds, 3),
            "said": self.said,
            "audio_url": f"/v1/voices/clips/{self.clip.id}",
        }


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Who a voice may be; `probability` is at even odds before hearing it."""

    speaker_id: UUID
    name: str
    probability: float

    def to_json(self) -> dict[str, object]:
        """Return the documented form."""
        return {"id": str(self.speaker_id), "name": self.name, "probability": round(self.probability, 4)}


@dataclass(frozen=True, slots=True)
class VoiceToName:
    """A group of unknown voices, as somebody is asked about it."""

    overview: Overview
    clips: tuple[ClipToHear, ...]
    suggestions: tuple[Suggestion, ...]

    def to_json(self) -> dict[str, object]:
        """Return the documented form."""
        return {
            **overview_json(self.overview),
            "clips": [each.to_json() for each in self.clips],
            "suggestions": [each.to_json() for each in self.suggestions],
        }


def next_voices(services: Services, limit: int = 1) -> list[VoiceToName]:
    """Return the voices that a name would help most: most unnamed speech first, skipped ones last."""
    with services.database.transaction() as connection:
        waiting = speakers.queue(connection, limit)
    return [_describe(services, each) for each in waiting]


def describe_voice(services: Services, speaker_id: UUID) -> VoiceToName:
    """Return one speaker with clips and suggestions. Raises NotFoundError."""
    with services.database.transaction() as connection:
        found = speakers.overview(connection, speaker_id)
    return _describe(services, found)


def read_clip(services: Services, clip_id: UUID) -> bytes:
    """Return a clip's sound, a FLAC file of some 200 KB. Raises NotFoundError."""
    with services.database.transaction() as connection:
        clip = voices.find_clip(connection, clip_id)
    if clip is None:
        raise NotFoundError(f"There is no clip {clip_id}.")
    with open_object(services.settings.media_bucket, clip.object_name) as stream:
        return stream.read()


def overview_json(found: Overview) -> dict[str, object]:
    """Return a speaker in the documented form."""
    speaker = found.speaker
    return {
        "id": str(speaker.id),
        "number": speaker.number,
        "name": speaker.name,
        "title": speaker.title,
        "recordings": found.recordings,
        "voices": found.voices,
        "speech_seconds": round(found.seconds, 3),
        "is_enrolled": found.is_enrolled,
        "has_consent": found.has_consent,
        "created_at": speaker.created_at.isoformat(),
    }


def _describe(services: Services, found: Overview) -> VoiceToName:
    with services.database.transaction() as connection:
        held = [v for v in voices.of_speaker(connection, found.speaker.id) if v.source_id is None]
    clips = tuple(_clip(services, voice, clip) for voice, clip in choose_clips(held))
    suggestions = () if found.speaker.is_known else tuple(_suggest(services, found.speaker.id, held))
    return VoiceToName(found, clips, suggestions)


def choose_clips(held: Sequence[RecordingVoice], count: int = CLIPS) -> list[tuple[RecordingVoice, Clip]]:
    """Return the clips to hear: the longest of each voice in turn, those of the voices that say most first."""
    queues = [
        [(voice, clip) for clip in sorted(voice.clips, key=lambda clip: -clip.seconds)]
        for voice in sorted(held, key=lambda voice: -voice.speech_seconds)
    ]
    chosen: list[tuple[RecordingVoice, Clip]] = []
    while len(chosen) < count and any(queues):
        chosen += [queue.pop(0) for queue in queues if queue]
    return chosen[:count]


def _clip(services: Services, voice: RecordingVoice, clip: Clip) -> ClipToHear:
    recording = recordings.get(services.database, voice.video_id)
    with services.database.transaction() as connection:
        lines = utterances.within(connection, voice.video_id, clip.start_seconds, clip.end_seconds)
    words = [
        word.text
        for line in lines
        for word in line.words
        if clip.start_seconds <= (word.start_seconds + word.end_seconds) / 2 <= clip.end_seconds
    ]
    said = " ".join(words or (line.text for line in lines))
    if len(said) > _SAID_CHARACTERS:
        said = said[: _SAID_CHARACTERS - 1] + "…"
    return ClipToHear(clip, voice.video_id, recording.title, said)


def _suggest(services: Services, speaker_id: UUID, held: Sequence[RecordingVoice]) -> list[Suggestion]:
    """Return the people that a group may be, most probable first; none that it is not, as somebody said."""
    try:
        near = _near(services, speaker_id)
    except SonicGenError:  # without a gallery a name can be typed all the same
        near = {}
    for voice in held:
        if voice.suggested_id is not None and voice.probability is not None:
            near[voice.suggested_id] = max(near.get(voice.suggested_id, 0.0), voice.probability)
    with services.database.transaction() as connection:
        rejected = speakers.rejected(connection, speaker_id)
        known = speakers.by_ids(connection, list(near))
    found = [
        Suggestion(each, known[each].title, probability)
        for each, probability in near.items()
        if each in known and known[each].is_known and each not in rejected and probability >= LEAST_PROBABILITY
    ]
    return sorted(found, key=lambda each: -each.probability)[:SUGGESTIONS]


def _near(services: Services, speaker_id: UUID) -> dict[UUID, float]:
    near: dict[UUID, float] = {}
    for model, calibration in models_in_use(services):
        profile = services.gallery.profiles(model, [speaker_id]).get(speaker_id)
        if profile is None:
            continue
        query = np.asarray(profile, np.float32).reshape(1, -1)
        for each in services.gallery.nearest(model, query, SUGGESTIONS, is_known=True)[0]:
            near[each.speaker_id] = max(near.get(each.speaker_id, 0.0), calibration.probability(each.cosine))
    return near
