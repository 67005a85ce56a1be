"""What tells the voices of a recording apart: pyannote where its weights are, otherwise our own."""

from __future__ import annotations

import logging
from pathlib import Path

from sonicgen.domain.embedding import Hints
from sonicgen.domain.turn import Turn
from sonicgen.embedder import segmentation
from sonicgen.embedder.activity import find_speech, has_network
from sonicgen.embedder.models import Diarizer
from sonicgen.embedder.pyannote import PyannoteDiarizer
from sonicgen.errors import SettingsError
from sonicgen.log import log
from sonicgen.settings import Settings
from sonicgen.voices.diarize import Embed, diarize
from sonicgen.voices.encoder import Encoder
from sonicgen.voices.samples import Samples

logger = logging.getLogger(__name__)


class OwnDiarizer:
    """Voice activity, windows, an encoder's vectors, clustering: needs no weights but the encoder's.

    With the weights of the segmentation network it hears where two voices speak at once.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._likeness = encoder.likeness
        self.name = f"own-{encoder.model.name}"
        if not has_network():
            self.name += "-energy"
        if not segmentation.has_network():
            self.name += "-one-at-a-time"

    def diarize(self, samples: Samples, hints: Hints, embed: Embed) -> list[Turn]:
        """Return the turns in order, speakers as SPEAKER_00, SPEAKER_01…"""
        speech = find_speech(samples)
        turns = diarize(
            samples,
            speech,
            embed,
            self._likeness,
            overlaps=segmentation.find_overlaps(samples, speech),
            num_speakers=hints.num_speakers,
            min_speakers=hints.min_speakers,
            max_speakers=hints.max_speakers,
        )
        return [Turn(turn.start_seconds, turn.end_seconds, f"SPEAKER_{turn.voice:02}") for turn in turns]


def load_diarizer(settings: Settings, encoder: Encoder) -> Diarizer:
    """Return the diarizer that the settings name, or with "auto" the best whose weights are here.

    Raises SettingsError when pyannote is named, or its weights are, and it cannot be loaded.
    """
    named = settings.diarization == "pyannote" or settings.pyannote_weights is not None
    if settings.diarization == "own" or not named:
        return OwnDiarizer(encoder)
    if settings.pyannote_weights is None:
        raise SettingsError(
            "SONICGEN_DIARIZATION is pyannote; SONICGEN_PYANNOTE_WEIGHTS must name the folder of its pipeline, such as "
            "a copy of pyannote/speaker-diarization-community-1."
        )
    diarizer = PyannoteDiarizer(Path(settings.pyannote_weights).expanduser())
    log(logger, "pyannote tells voices apart", weights=settings.pyannote_weights)
    return diarizer
