"""A small builder of ONNX graphs: values are names, operators return them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

MICROSOFT = "com.microsoft"
"""The domain of onnxruntime's own operators."""

Shape = Sequence[int | str]


class GraphBuilder:
    """Collects nodes and constants; `model` turns them into a checked ModelProto."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._inputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, kind: type[np.generic], shape: Shape) -> str:
        """Declare an input of the graph; named dimensions are dynamic."""
        element = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
        self._inputs.append(helper.make_tensor_value_info(name, element, list(shape)))
        return name

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Store a constant under `name`; the same name again refers to the first."""
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.array(value, order="C"), name)
        return name

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add an operator with one output; return the output's name. An empty input name is an absent input."""
        name = f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [f"{name}:0"], name=name, domain=domain, **attributes))
        return f"{name}:0"

    def model(self, value: str, name: str, shape: Shape) -> onnx.ModelProto:
        """The graph whose only output, float32 of `shape`, is `value` under the name `name`."""
        self._nodes.append(helper.make_node("Identity", [value], [name], name="output"))
        graph = helper.make_graph(
            self._nodes,
            "classifier",
            self._inputs,
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))],
            list(self._constants.values()),
        )
        opsets = [helper.make_opsetid("", 20), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10, producer_name="moderation-model")
