"""Windows of many lengths to batches of one length each, and back in order: what is padded is never heard right."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sonicgen.embedder.encoders.fbank import HOP, fbank
from sonicgen.voices.samples import SAMPLE_RATE_HZ

Wave = NDArray[np.float32]
Features = NDArray[np.float32]
T = TypeVar("T")

BATCH = 16  # 8 to 32 are alike on one core
AT_ONCE = 256  # windows among which those of one length are looked for: 25 MB at 1.5 s
SHORTEST = SAMPLE_RATE_HZ // 2  # shorter windows are repeated to this length, which changes no mean over time


def embed_in_batches(
    windows: Iterable[Wave], network: Callable[[Features], NDArray[np.float32]], dimension: int, batch: int = BATCH
) -> NDArray[np.float32]:
    """Return a unit vector for each window, in order; `network` takes the features of windows of one length."""
    return arranged(windows, lambda waves: network(fbank(waves)), dimension, batch)


def arranged(
    windows: Iterable[Wave], network: Callable[[Wave], NDArray[np.float32]], dimension: int, batch: int
) -> NDArray[np.float32]:
    """Return a unit vector for each window, in order; `network` takes windows of one length, a row each.

    Padding those of several to one length ruins them without their lengths (EER 3.3 to 37.8 %), and is not needed:
    windows only lose what does not fill a frame's step.
    """
    rows = [part for some in _chunks(windows, AT_ONCE) for part in _embed(some, network, batch)]
    if not rows:
        return np.empty((0, dimension), np.float32)
    table = np.array(rows, np.float32)
    lengths = np.maximum(np.linalg.norm(table, axis=1, keepdims=True), np.float32(1e-12))
    return np.asarray(table / lengths, np.float32)


def _embed(
    windows: Sequence[Wave], network: Callable[[Wave], NDArray[np.float32]], batch: int
) -> list[NDArray[np.float32]]:
    whole = [_whole_steps(window) for window in windows]
    rows: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(whole)
    order = sorted(range(len(whole)), key=lambda index: len(whole[index]))
    for _, alike in itertools.groupby(order, key=lambda index: len(whole[index])):
        for indices in _chunks(alike, batch):
            vectors = network(np.stack([whole[index] for index in indices]))
            for index, vector in zip(indices, vectors, strict=True):
                rows[index] = vector
    return rows


def _whole_steps(window: Wave) -> Wave:
    if len(window) < SHORTEST:
        return np.resize(window, SHORTEST).astype(np.float32)
    return window[: len(window) // HOP * HOP].astype(np.float32, copy=False)


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk
