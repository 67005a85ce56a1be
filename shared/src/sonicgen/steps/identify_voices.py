"""Say whose voices those of a recording are. Knows of vectors and people, nothing of transcripts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonicgen.domain.voice import VoiceModel
from sonicgen.steps.services import Services
from sonicgen.store import calibrations
from sonicgen.voices.encoder import Calibration
from sonicgen.voices.identify import Candidate, Identity, Thresholds, Voice, identify

# As many people are weighed against each other for each voice; whoever is farther off has no part in the probability.
CANDIDATES = 20


@dataclass(frozen=True, slots=True)
class HeardVoice:
    """All of one voice's speech in a recording: its label there, its vector, how many seconds that was made from."""

    label: str
    vector: NDArray[np.float32]
    seconds: float


@dataclass(frozen=True, slots=True)
class Identified:
    """The decisions on all voices of a recording, in their order, and what they rest on.

    `unknown` holds for each voice the closest groups of unknown voices (id, cosine), closest first.
    """

    identities: tuple[Identity, ...]
    unknown: tuple[tuple[Candidate, ...], ...]
    model: VoiceModel
    calibration: Calibration
    people: int
    index: str


def calibration_of(services: Services, model: VoiceModel, own: Calibration) -> Calibration:
    """Return what was fitted on the user's own voices (`sonicgen voices evaluate --keep`), else the encoder's own."""
    stored = calibrations.get(services.database, model)
    return own if stored is None else Calibration(stored.slope, stored.offset)


def explain_calibrations(services: Services) -> list[str]:
    """Return a few words for each calibration that was fitted and kept."""
    return [
        f"{model_key} decides by a calibration fitted {stored.fitted_at:%Y-%m-%d} on "
        f"{stored.figures.get('people', '?')} people (even odds at cosine {-stored.offset / stored.slope:.2f})"
        for model_key, stored in calibrations.every(services.database)
    ]


def identify_voices(
    services: Services,
    model: VoiceModel,
    calibration: Calibration,
    voices: Sequence[HeardVoice],
    thresholds: Thresholds | None = None,
) -> Identified:
    """Return who each voice of one recording is; `calibration` is the encoder's, which a fitted one goes before.

    Nothing is stored. Raises UnavailableError when the gallery does not answer, InputError for vectors that are not of
    this model.
    """
    calibration = calibration_of(services, model, calibration)
    known = services.gallery.people(model)
    rows = np.array([voice.vector for voice in voices], np.float32)
    people = services.gallery.nearest(model, rows, CANDIDATES, is_known=True)
    groups = services.gallery.nearest(model, rows, CANDIDATES, is_known=False)
    asked = [
        Voice(voice.label, voice.seconds, [Candidate(near.speaker_id, near.cosine) for near in found], voice.vector)
        for voice, found in zip(voices, people, strict=True)
    ]
    identities = identify(asked, calibration, known, thresholds)
    unknown = tuple(tuple(Candidate(near.speaker_id, near.cosine) for near in found) for found in groups)
    return Identified(tuple(identities), unknown, model, calibration, known, services.gallery.index)
