"""Our voices for the shared benchmark (../shared/bench/voices, which needs soundfile and pyannote.metrics).

PYTHONPATH=shared/src python ../shared/bench/voices/voices.py bench/voices/adapter.py --data ../shared/data/voices
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sonicgen.voices import cepstra
from sonicgen.voices.activity import find_speech
from sonicgen.voices.diarize import diarize

Wave = NDArray[np.float32]


class Adapter:
    """What the benchmark calls."""

    def embed(self, waveforms: Sequence[Wave]) -> NDArray[np.float32]:
        """Return a vector a recording."""
        return cepstra.embed(iter(waveforms))

    def diarize(self, waveform: Wave, num_speakers: int | None = None) -> list[tuple[float, float, int]]:
        """Return who speaks when."""
        turns = diarize(waveform, find_speech(waveform), cepstra.embed, num_speakers=num_speakers)
        return [(turn.start_seconds, turn.end_seconds, turn.voice) for turn in turns]
