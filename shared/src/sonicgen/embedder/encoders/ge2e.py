"""GE2E as the package Resemblyzer carries it: the baseline, run without that package's own dependencies.

Wan et al., "Generalized end-to-end loss for speaker verification", 2018. Needs torch and, of Resemblyzer 0.1.4, the
weights alone. Its trimming of silence is left out: what comes here is speech already.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from sonicgen.domain.voice import VoiceModel
from sonicgen.embedder.encoders.card import version_of
from sonicgen.errors import SettingsError
from sonicgen.voices.clusters import Likeness
from sonicgen.voices.encoder import Calibration
from sonicgen.voices.samples import SAMPLE_RATE_HZ

Wave = NDArray[np.float32]

NAME = "ge2e"
DIMENSION = 256
HOP, WINDOW, BANDS = 160, 400, 40
FRAMES, STEP_FRAMES = 160, 77  # 1.6 s, 1.3 times a second: Resemblyzer's own
LEAST_COVERAGE = 0.75
LEVEL_DB = -30.0  # quieter sound is raised to this level: the features are not logarithmic
# Guessed from what GE2E's cosines look like, not fitted: nothing in this repository fits them.
CALIBRATION = Calibration(slope=22.0, offset=-15.5)
LIKENESS = Likeness(merge_above=0.88, split_below=0.55)


class Ge2eEncoder:
    """The encoder of Resemblyzer."""

    def __init__(self, weights: Path | None = None) -> None:
        self._weights = weights or find_weights()

    @cached_property
    def model(self) -> VoiceModel:
        """Which model this is."""
        return VoiceModel(NAME, version_of(self._weights), DIMENSION)

    @property
    def backend(self) -> str:
        """What runs it."""
        return "torch-float32-cpu"

    @property
    def calibration(self) -> Calibration:
        """What its cosines say."""
        return CALIBRATION

    @property
    def likeness(self) -> Likeness:
        """What its windows of one voice are like."""
        return LIKENESS

    def embed(self, windows: Iterable[Wave]) -> NDArray[np.float32]:
        """Return a unit vector for each window of mono speech at 16 kHz, in order."""
        rows = [self._network.embed(partials(window)) for window in windows]
        return np.array(rows, np.float32).reshape(-1, DIMENSION)

    @cached_property
    def _network(self) -> Ge2eNetwork:
        return Ge2eNetwork(self._weights)


class Ge2eNetwork:
    """Three recurrent layers and a linear one."""

    def __init__(self, weights: Path) -> None:
        self._torch: Any = _torch()
        nn = self._torch.nn
        state = self._torch.load(weights, map_location="cpu", weights_only=True)["model_state"]
        self._lstm = nn.LSTM(BANDS, DIMENSION, 3, batch_first=True)
        self._linear = nn.Linear(DIMENSION, DIMENSION)
        for name, part in (("lstm.", self._lstm), ("linear.", self._linear)):
            part.load_state_dict({key.removeprefix(name): state[key] for key in state if key.startswith(name)})

    def rows(self, mels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the unit vectors of parts (parts, frames, BANDS)."""
        with self._torch.inference_mode():
            _, (hidden, _) = self._lstm(self._torch.from_numpy(mels))
            rows = self._linear(hidden[-1]).clamp(min=0).numpy()
        return _unit(rows)

    def embed(self, mels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the unit vector of an utterance in parts."""
        return _unit(self.rows(mels).mean(axis=0))


def find_weights() -> Path:
    """Return the weights in the installed package, without importing it.

    Raises SettingsError when it is not installed.
    """
    found = importlib.util.find_spec("resemblyzer")
    for place in (found.submodule_search_locations or []) if found else []:
        path = Path(place) / "pretrained.pt"
        if path.is_file():
            return path
    raise SettingsError("The encoder ge2e needs the weights in Resemblyzer: pip install 'sonicgen[voices-ge2e]'.")


def partials(wave: Wave) -> NDArray[np.float32]:
    """Return the features of an utterance in parts of FRAMES, the last filled up with silence as Resemblyzer does."""
    starts = list(range(0, max(1, len(wave) // HOP + 1 - FRAMES + STEP_FRAMES + 1), STEP_FRAMES))
    coverage = (len(wave) - starts[-1] * HOP) / (FRAMES * HOP)
    if coverage < LEAST_COVERAGE and len(starts) > 1:
        starts.pop()
    missing = (starts[-1] + FRAMES) * HOP - len(wave)
    features = mel(np.pad(wave, (0, max(0, missing))))
    return np.stack([features[start : start + FRAMES] for start in starts])


def mel(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the power in Slaney's mel bands (frames, BANDS), as librosa makes it."""
    level = np.sqrt(np.mean(np.square(sound)))
    sound = sound * max(1.0, 10 ** (LEVEL_DB / 20) / (level + 1e-9))
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(sound, WINDOW // 2), WINDOW)[::HOP]
    power = np.abs(scipy.fft.rfft(frames * _HANN, axis=1)) ** 2
    return np.asarray(power @ _FILTERS, np.float32)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), np.float32(1e-12)))


def _slaney_filters() -> NDArray[np.float64]:
    """Return triangles that are linear below 1 kHz and logarithmic above, each of area one."""
    top = 15 + 27 * np.log(SAMPLE_RATE_HZ / 2_000) / np.log(6.4)
    mels = np.linspace(0, top, BANDS + 2)
    hz = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp((mels - 15) * np.log(6.4) / 27))
    bins = np.linspace(0, SAMPLE_RATE_HZ / 2, WINDOW // 2 + 1)[:, None]
    rising, falling = (bins - hz[:-2]) / np.diff(hz)[:-1], (hz[2:] - bins) / np.diff(hz)[1:]
    filters: NDArray[np.float64] = np.clip(np.minimum(rising, falling), 0, None) * 2 / (hz[2:] - hz[:-2])
    return filters


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise SettingsError("The encoder ge2e needs torch: pip install 'sonicgen[voices-ge2e]'.") from error
    return torch


_HANN = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
_FILTERS = _slaney_filters()
