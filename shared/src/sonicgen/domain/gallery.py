"""The gallery: vectors of voices, whose they are, and where each comes from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from uuid import UUID

from sonicgen.domain.voice import VoiceModel


@dataclass(frozen=True, slots=True)
class Voiceprint:
    """What is known of one vector; the vector itself travels beside it, as a row of an array.

    `source` names the speech that it was made from, and nothing else ever: a checksum, or an object with its generation
    and span; `seconds` is how much speech that is. `speaker_id` is whose it is, None as long as nobody said; an
    unknown voice's group is a speaker without a name. `in_profile` says whether the speaker's profile is made from it
    too: what a machine recognised need not teach it.
    """

    source: str
    seconds: float
    speaker_id: UUID | None = None
    is_known: bool = False
    in_profile: bool = True
    recording_id: UUID | None = None
    voice: str | None = None


@dataclass(frozen=True, slots=True)
class StoredVoiceprint:
    """A voiceprint in the gallery, and the model whose vectors it can be compared with."""

    id: UUID
    model: VoiceModel
    voiceprint: Voiceprint


@dataclass(frozen=True, slots=True)
class Near:
    """A speaker whose profile is close to a vector; `cosine` is exact, by whatever index it was found.

    `seconds` and `voiceprints` are how much speech and how many vectors the profile is made from.
    """

    speaker_id: UUID
    cosine: float
    is_known: bool
    seconds: float
    voiceprints: int


@dataclass(frozen=True, slots=True)
class GalleryCount:
    """How much one model's part of the gallery holds; speakers are those that have a profile."""

    voiceprints: int
    known_speakers: int
    unknown_speakers: int

    @property
    def speakers(self) -> int:
        """All speakers with a profile."""
        return self.known_speakers + self.unknown_speakers


def voiceprint_id(model: VoiceModel, source: str) -> UUID:
    """Return the id of a vector: it names the speech and the model, so that the same speech has one vector a model.

    The numbers have no part in it: another machine may get the last bits of them differently.
    """
    return UUID(bytes=hashlib.sha256(f"{model.key}\x00{source}".encode()).digest()[:16], version=5)
