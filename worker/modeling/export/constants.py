"""What a graph of `moderation-model export` holds: its constants, by name, and its encoder's shape."""

import re

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from worker.modeling.export.electra_graph import ACTIVATIONS, LAYER, Shape


class Constants:
    """The constants and operators of a graph that `build_graph` made."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        self._operators = {node.op_type: node for node in graph.node}

    def vector(self, name: str) -> torch.Tensor:
        """A constant as it is."""
        return torch.tensor(self.tensors[name])

    def matrix(self, name: str, site: str | None = None) -> torch.Tensor:
        """The weight [out, in] of a linear layer whose input is prepared at `site`, float32 or quantized."""
        weight: NDArray[np.float32] = self.tensors[f"{name}.weight"].astype(np.float32)
        if (scales := self.tensors.get(f"{name}.scales")) is not None:
            weight = weight * scales
            if (divided := self.tensors.get(f"{site or name}.factors")) is not None:
                weight = weight * divided[:, None]
        return torch.tensor(np.ascontiguousarray(weight.T))

    def words(self) -> torch.Tensor:
        """The embeddings of the vocabulary [pieces, width]."""
        table: NDArray[np.float32] = self.tensors["words"].astype(np.float32)
        scales = self.tensors.get("words.scales")
        return torch.tensor(table if scales is None else table * scales)

    def shape(self) -> Shape:
        """The sizes of the encoder that the graph computes."""
        last = max(int(found[1]) for name in self.tensors if (found := re.match(rf"{LAYER}\.(\d+)\.", name)))
        norm = next(a for a in self._operators["LayerNormalization"].attribute if a.name == "epsilon")
        return Shape(
            layers=last + 1,
            heads=int(self.tensors["sizes.heads"][2]),
            hidden=len(self.tensors[f"{LAYER}.{last}.output.LayerNorm.weight"]),
            epsilon=norm.f,
            activation=next(kind for kind, (name, _) in ACTIVATIONS.items() if name in self._operators),
        )
