"""pyannote's diarization behind the same interface: it hears overlaps, and needs weights that a licence guards."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from sonicgen.domain.embedding import Hints
from sonicgen.domain.turn import Turn
from sonicgen.embedder.torchaudio import without_native_torchaudio
from sonicgen.errors import SettingsError
from sonicgen.voices.diarize import Embed
from sonicgen.voices.samples import SAMPLE_RATE_HZ, Samples, piece


class PyannoteDiarizer:
    """A pipeline in a folder: 3.1, community-1, or one's own.

    Raises SettingsError when the folder holds no pipeline that this pyannote can load. Nothing is fetched, and nothing
    is told to anybody: pyannote's own telemetry is turned off.
    """

    def __init__(self, weights: Path) -> None:
        if not (weights / "config.yaml").is_file():
            raise SettingsError(f"{weights} holds no pipeline of pyannote: there is no config.yaml in it.")
        os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
        without_native_torchaudio()
        try:
            from pyannote.audio import Pipeline

            self._pipeline: Any = Pipeline.from_pretrained(str(weights))
        except ImportError as error:
            raise SettingsError("pyannote is not installed: pip install 'sonicgen[voices-pyannote]'.") from error
        except Exception as error:  # of yaml, torch, the hub's client or pyannote: each has a tree of its own
            raise SettingsError(f"pyannote cannot load {weights}: {type(error).__name__}: {error}") from error
        if self._pipeline is None:
            raise SettingsError(f"pyannote cannot load {weights}.")
        self.name = f"pyannote-{weights.resolve().name}"

    def diarize(self, samples: Samples, hints: Hints, embed: Embed) -> list[Turn]:
        """Return the turns in order, those of different speakers may overlap; pyannote brings an encoder of its own."""
        import torch

        del embed
        sound = np.ascontiguousarray(piece(samples, 0, len(samples)))
        asked = {
            name: number
            for name in ("num_speakers", "min_speakers", "max_speakers")
            if (number := getattr(hints, name)) is not None
        }
        heard = {"waveform": torch.from_numpy(sound)[None], "sample_rate": SAMPLE_RATE_HZ}
        found = self._pipeline(heard, **asked)
        annotation = getattr(found, "speaker_diarization", found)  # 4.0 answers with more than the annotation
        tracks = annotation.itertracks(yield_label=True)
        turns = [Turn(round(span.start, 3), round(span.end, 3), str(speaker)) for span, _, speaker in tracks]
        return sorted(turns, key=lambda turn: (turn.start_seconds, turn.end_seconds))
