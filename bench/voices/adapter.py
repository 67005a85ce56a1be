"""Our voices for the shared benchmark (../shared/bench/voices, which needs soundfile and pyannote.metrics).

PYTHONPATH=shared/src python ../shared/bench/voices/voices.py bench/voices/adapter.py --data ../shared/data/voices

SONICGEN_ENCODER says which encoder; `python -m bench voices` runs ours and GE2E one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sonicgen.domain.embedding import Hints
from sonicgen.embedder.diarizers import OwnDiarizer
from sonicgen.embedder.encoders.choose import load_encoder
from sonicgen.settings import read_settings
from sonicgen.voices.pieces import embed_whole

Wave = NDArray[np.float32]


class Adapter:
    """What the benchmark calls."""

    def __init__(self) -> None:
        self._encoder = load_encoder(read_settings())
        self._diarizer = OwnDiarizer(self._encoder)

    def embed(self, waveforms: Sequence[Wave]) -> NDArray[np.float32]:
        """Return a vector a recording."""
        return embed_whole(self._encoder, waveforms)

    def diarize(self, waveform: Wave, num_speakers: int | None = None) -> list[tuple[float, float, str]]:
        """Return who speaks when."""
        turns = self._diarizer.diarize(waveform, Hints(num_speakers=num_speakers), self._encoder.embed)
        return [(turn.start_seconds, turn.end_seconds, turn.speaker) for turn in turns]
