"""Networks written for ONNX Runtime node by node, from weights that are at hand as arrays: torch is not needed."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

OPSET, IR_VERSION = 17, 8
Value = str | NDArray[Any] | np.generic


class Graph:
    """A network in the making: `add` returns the name of what a node gives, which the next nodes take.

    Arrays among the inputs become constants; floating ones are kept as float32.
    """

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def add(self, kind: str, *inputs: Value, **attributes: Any) -> str:
        """Add an operator of ONNX; return the name of its (first) output."""
        names = [value if isinstance(value, str) else self._constant(value) for value in inputs]
        output = f"{kind}_{len(self._nodes)}"
        self._nodes.append(onnx.helper.make_node(kind, names, [output], **attributes))
        return output

    def finish(self, input_name: str, shape: tuple[int | str, ...], output: str) -> bytes:
        """Return the model, which takes float32 of `shape` (names for lengths that vary) and gives `output`."""
        kind = onnx.TensorProto.FLOAT
        graph = onnx.helper.make_graph(
            self._nodes,
            "network",
            [onnx.helper.make_tensor_value_info(input_name, kind, shape)],
            [onnx.helper.make_tensor_value_info(output, kind, None)],
            self._constants,
        )
        opset = onnx.helper.make_opsetid("", OPSET)
        model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
        return bytes(model.SerializeToString())

    def _constant(self, value: NDArray[Any] | np.generic) -> str:
        name = f"constant_{len(self._constants)}"
        array = np.ascontiguousarray(value, np.float32 if np.issubdtype(value.dtype, np.floating) else value.dtype)
        self._constants.append(onnx.numpy_helper.from_array(array, name))
        return name
