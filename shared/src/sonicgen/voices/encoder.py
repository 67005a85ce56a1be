"""What every speaker encoder offers, and what its cosines mean."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sonicgen.domain.voice import VoiceModel
from sonicgen.voices.clusters import Likeness

# The length of one window that an encoder looks at: longer speech is cut into such pieces and their vectors averaged.
# Fixed pieces need no padding, and were better than whole utterances (EER 2.7 to 2.9 % against 3.3 %).
PIECE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a cosine of this encoder says: log-odds = slope × cosine + offset, at even odds before hearing anything.

    Fitted by logistic regression on pairs of voices that the encoder was not trained on. It belongs to one version of
    one model.
    """

    slope: float
    offset: float

    def log_odds(self, cosine: float, prior: float = 0.5) -> float:
        """Return the logarithm of the odds that two vectors are one voice, given how likely that was before."""
        return self.slope * cosine + self.offset + math.log(prior / (1 - prior))

    def probability(self, cosine: float, prior: float = 0.5) -> float:
        """Return how likely two vectors are one voice."""
        return 1 / (1 + math.exp(-max(-700.0, min(700.0, self.log_odds(cosine, prior)))))


class Encoder(Protocol):
    """Turns speech into vectors that are close for one voice."""

    @property
    def model(self) -> VoiceModel:
        """Which model this is."""

    @property
    def backend(self) -> str:
        """What runs it, such as "onnxruntime-int8-cpu"; a model's vectors are the same on each (cosine above 0.995)."""

    @property
    def calibration(self) -> Calibration:
        """What its cosines say."""

    @property
    def likeness(self) -> Likeness:
        """What its windows of 1.5 s of one voice are like, for diarization."""

    def embed(self, windows: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return a unit vector for each window of mono speech at 16 kHz, in order, whatever their lengths.

        Windows are taken one at a time; only a batch of them is kept in memory. None may be longer than PIECE_SECONDS
        by more than a half; none may be empty.
        """
