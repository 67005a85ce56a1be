"""SpeechBrain's ECAPA-TDNN on a GPU: features in float32, the network in bfloat16, a CUDA graph for each shape.

Its arithmetic is tested on a CPU (tests/unit/embedder/encoders/test_cuda.py). The graphs have never run: no GPU was at
hand. Whatever fails there is noticed when the embedder starts, and the CPU takes over. Import it only where torch is
installed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sonicgen.embedder.encoders import ecapa, fbank
from sonicgen.embedder.encoders.batches import Wave, arranged
from sonicgen.embedder.encoders.card import Card, CardEncoder
from sonicgen.embedder.encoders.conversion import network_of
from sonicgen.errors import SettingsError

# Batches are filled up to one of these with silence, whose vectors are thrown away: a graph knows one shape only.
BATCHES = (1, 8, 32, 128)
# Shapes beyond these run without a graph; each holds its own memory. Five lengths, four batches.
MOST_GRAPHS = 20
LEAST_COSINE = 0.995  # of bfloat16 with float32, on pieces of real speech


@dataclass(frozen=True, slots=True)
class _Graph:
    """A recorded run: what is written to `waves` before `graph` is replayed is in `vectors` after it."""

    graph: Any
    waves: Tensor
    vectors: Tensor


class CudaEncoder(CardEncoder):
    """An encoder on one GPU (or, without graphs, on whatever device torch knows)."""

    def __init__(self, network: torch.nn.Module, card: Card, *, device: str = "cuda", has_graphs: bool = True) -> None:
        super().__init__(card)
        self._device = torch.device(device)
        self._has_graphs = has_graphs
        self._network = network.to(self._device, torch.bfloat16).eval()
        self._shape = torch.from_numpy(fbank.SHAPE).to(self._device)
        self._filters = torch.from_numpy(fbank.FILTERS).to(self._device)
        self._graphs: dict[tuple[int, int], _Graph] = {}
        self._lock = Lock()  # graphs write to memory of their own

    @property
    def backend(self) -> str:
        """What runs it."""
        return f"torch-bfloat16-{self._device.type}{'-graphs' if self._has_graphs else ''}"

    def embed(self, windows: Iterable[Wave]) -> NDArray[np.float32]:
        """Return a unit vector for each window of mono speech at 16 kHz, in order."""
        return arranged(windows, self._run, self.model.dimension, BATCHES[-1])

    def _run(self, waves: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the vectors of windows of one length."""
        count, samples = waves.shape
        size = next(each for each in BATCHES if each >= count)
        filled = np.zeros((size, samples), np.float32)
        filled[:count] = waves
        with self._lock, torch.inference_mode():
            graph = self._graph(size, samples)
            if graph is None:
                vectors = self._compute(torch.from_numpy(filled).to(self._device))
            else:
                graph.waves.copy_(torch.from_numpy(filled))
                graph.graph.replay()
                vectors = graph.vectors
            return np.asarray(vectors[:count].cpu().numpy(), np.float32)

    def _graph(self, size: int, samples: int) -> _Graph | None:
        if not self._has_graphs:
            return None
        found = self._graphs.get((size, samples))
        if found is None and len(self._graphs) < MOST_GRAPHS:
            found = self._graphs[size, samples] = self._record(size, samples)
        return found

    def _record(self, size: int, samples: int) -> _Graph:
        waves = torch.zeros(size, samples, device=self._device)
        # What a first run allocates and chooses must not be recorded (CUDA graphs, "whole-network capture").
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self._compute(waves)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            vectors = self._compute(waves)
        return _Graph(graph, waves, vectors)

    def _compute(self, waves: Tensor) -> Tensor:
        vectors: Tensor = self._network(self._features(waves).to(torch.bfloat16))
        return vectors.float()

    def _features(self, waves: Tensor) -> Tensor:
        """Return what `fbank.fbank` returns, in float32."""
        padded = torch.nn.functional.pad(waves, (fbank.WINDOW // 2, fbank.WINDOW // 2))
        frames = padded.unfold(1, fbank.WINDOW, fbank.HOP) * self._shape
        spectrum = torch.view_as_real(torch.fft.rfft(frames, dim=2))
        power = spectrum.square().sum(dim=3)
        level = 10 * torch.log10((power @ self._filters).clamp(min=fbank.FLOOR))
        level = level.maximum(level.amax(dim=(1, 2), keepdim=True) - fbank.RANGE_DB)
        return level - level.mean(dim=1, keepdim=True)


def open_cuda(weights: Path) -> CudaEncoder:
    """Return the encoder of a checkpoint on this machine's GPU.

    Raises SettingsError when there is none, or when bfloat16 there is not float32 here.
    """
    if not torch.cuda.is_available():
        raise SettingsError("torch finds no GPU here; its driver must know the CUDA that torch was built for.")
    encoder = CudaEncoder(
        network_of(torch.load(weights, map_location="cpu", weights_only=True)), ecapa.card_of(weights)
    )
    check(encoder, weights)
    return encoder


def check(encoder: CudaEncoder, weights: Path) -> None:
    """Raise SettingsError when an encoder's vectors are not those of its own weights in float32 on the CPU."""
    exact = network_of(torch.load(weights, map_location="cpu", weights_only=True))
    pieces = ecapa.probe()
    with torch.inference_mode():
        expected = exact(torch.from_numpy(fbank.fbank(pieces))).numpy()
    expected = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    cosine = float((encoder.embed(pieces) * expected).sum(axis=1).min())
    if cosine < LEAST_COSINE:
        raise SettingsError(f"{encoder.backend} makes other vectors than float32: cosine {cosine:.4f}.")
