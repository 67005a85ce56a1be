"""SpeechBrain's weights to files that ONNX Runtime runs: proven equal before they are kept. Needs torch and onnx."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from torch import Tensor, nn

from sonicgen.embedder.encoders import ecapa
from sonicgen.embedder.encoders.ecapa_network import Ecapa, Shape
from sonicgen.embedder.encoders.fbank import BANDS
from sonicgen.embedder.encoders.onnx import open_session
from sonicgen.errors import SettingsError


def convert(classifier: Any, weights: Path, to: ecapa.Converted) -> None:
    """Write float32 and int8 of a checkpoint.

    Raises SettingsError, and keeps nothing, when a vector differs from SpeechBrain's by more than rounding.
    """
    network = network_of(torch.load(weights, map_location="cpu", weights_only=True))
    features = ecapa.probe_features()
    with torch.inference_mode():
        expected = classifier.encode_batch(torch.from_numpy(ecapa.probe())).squeeze(1).numpy()
    to.float32.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=to.float32.parent) as scratch:
        made = ecapa.Converted(Path(scratch) / "float32.onnx", Path(scratch) / "int8.onnx")
        write_onnx(network, made.float32)
        _quantize(made.float32, made.int8, features)
        for path, least in ((made.float32, ecapa.LEAST_COSINE), (made.int8, ecapa.LEAST_INT8_COSINE)):
            cosine = least_cosine(expected, run(path, features))
            if cosine < least:
                raise SettingsError(f"{path.stem} of {weights} differs from SpeechBrain: cosine {cosine:.5f}.")
        for path, place in zip(made, to, strict=True):
            path.replace(place)


def network_of(state: Mapping[str, Tensor]) -> Ecapa:
    """Return our network with a checkpoint's weights; its size is read from them."""
    try:
        shape = Shape(
            channels=len(state["blocks.0.conv.conv.weight"]),
            pooled=len(state["mfa.conv.conv.weight"]),
            dimension=len(state["fc.conv.weight"]),
            attention=len(state["asp.tdnn.conv.conv.weight"]),
            squeeze=len(state["blocks.1.se_block.conv1.conv.weight"]),
        )
        network = Ecapa(shape)
        network.load_state_dict(state)
    except (KeyError, RuntimeError) as error:
        raise SettingsError("The weights are not those of SpeechBrain's ECAPA-TDNN.") from error
    network.eval()
    return network


def write_onnx(network: nn.Module, path: Path) -> None:
    """Write a network that takes pieces and frames of any number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the old exporter, which needs nothing but onnx, says that it is old
        torch.onnx.export(
            network.eval(),
            (torch.zeros(2, 151, BANDS),),
            str(path),
            input_names=["features"],
            output_names=["vectors"],
            dynamic_axes={"features": {0: "pieces", 1: "frames"}, "vectors": {0: "pieces"}},
            opset_version=17,
            dynamo=False,
        )


def run(path: Path, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what a written network makes of features."""
    (vectors,) = open_session(path, 1).run(None, {"features": features})
    return np.asarray(vectors)


def least_cosine(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return the lowest cosine of rows that should be the same."""
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return float(((first * second).sum(axis=1) / lengths).min())


class _Reader(CalibrationDataReader):
    def __init__(self, features: NDArray[np.float32]) -> None:
        self._rest = iter(features)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        row = next(self._rest, None)
        return None if row is None else {"features": row[None]}


def _quantize(source: Path, target: Path, features: NDArray[np.float32]) -> None:
    quantize_static(
        str(source),
        str(target),
        _Reader(features),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv"],
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
