"""The classifier as an ONNX graph, built operator by operator.

Token-wise work runs on [tokens, hidden] of the whole batch without padding (layout "packed"); a rectangle is filled
only inside attention. After the last attention only [CLS] goes on. Add and LayerNormalization stay apart, Q, K and V
stay apart: both were faster than their fused forms.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from worker.core.errors import Fatal
from worker.model.manifest import Layout
from worker.model.session import OUTPUT
from worker.modeling.export.arithmetic import Arithmetic
from worker.modeling.export.graph import MICROSOFT, GraphBuilder
from worker.modeling.training.network import Classifier

LAYER = "electra.encoder.layer"
EMBEDDINGS = "electra.embeddings"


ACTIVATIONS = {
    "gelu": ("Gelu", MICROSOFT),
    "gelu_new": ("FastGelu", MICROSOFT),
    "gelu_pytorch_tanh": ("FastGelu", MICROSOFT),
    "relu": ("Relu", ""),
}
"""Operator and its domain for an encoder's hidden_act."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of an ELECTRA encoder that its weights do not show."""

    layers: int
    heads: int
    hidden: int
    epsilon: float
    activation: str

    @classmethod
    def of(cls, classifier: Classifier) -> "Shape":
        """Read from the encoder's config. Raises Fatal for an activation the graph does not have."""
        config: Any = classifier.electra.config
        if config.hidden_act not in ACTIVATIONS:
            raise Fatal(
                f"export: the encoder's hidden_act is {config.hidden_act!r}; a graph can have {', '.join(ACTIVATIONS)}: "
                "start from an encoder with one of these, or distil this classifier into one"
            )
        return cls(
            layers=config.num_hidden_layers,
            heads=config.num_attention_heads,
            hidden=config.hidden_size,
            epsilon=config.layer_norm_eps,
            activation=config.hidden_act,
        )


def build_graph(classifier: Classifier, arithmetic: Arithmetic, layout: Layout) -> onnx.ModelProto:
    """The graph of a trained classifier: the inputs of `worker.model.feed` -> logits float32 [windows, labels]."""
    weights = {name: value.detach().float().numpy() for name, value in classifier.state_dict().items()}
    network = _Network(weights, Shape.of(classifier), arithmetic, layout == "packed")
    return network.build(classifier.config.max_length, len(classifier.config.labels))


class _Network:
    def __init__(
        self, weights: dict[str, NDArray[np.float32]], shape: Shape, arithmetic: Arithmetic, packed: bool
    ) -> None:
        self.weights = weights
        self.shape = shape
        self.arithmetic = arithmetic
        self.packed = packed
        self.graph = GraphBuilder()

    def build(self, max_length: int, labels: int) -> onnx.ModelProto:
        graph = self.graph
        tokens = ["tokens"] if self.packed else ["windows", "longest"]
        graph.input("ids", np.int32, tokens)
        graph.input("positions", np.int32, ["tokens"] if self.packed else [1, "longest"])
        if self.packed:
            graph.input("pad", np.int32, ["windows", "longest"])
            graph.input("unpad", np.int32, ["tokens"])
            graph.input("first", np.int32, ["windows"])
        graph.input("bias", np.float32, ["windows", 1, 1, "longest"])
        x = self._embed(max_length)
        for number in range(self.shape.layers):
            x = self._layer(x, number)
        return graph.model(self._head(x), OUTPUT, ["windows", labels])

    def _embed(self, max_length: int) -> str:
        graph = self.graph
        types = self.weights[f"{EMBEDDINGS}.token_type_embeddings.weight"][0]
        positions = self.weights[f"{EMBEDDINGS}.position_embeddings.weight"]
        if len(positions) < max_length:
            raise Fatal(f"export: max_length is {max_length}, but the encoder has {len(positions)} positions")
        words = self.arithmetic.rows(graph, self.weights[f"{EMBEDDINGS}.word_embeddings.weight"], "ids", "words")
        table = graph.constant("positions.weight", positions[:max_length] + types)
        x = self._norm(words, graph.op("Gather", table, "positions"), f"{EMBEDDINGS}.LayerNorm")
        if "electra.embeddings_project.weight" not in self.weights:
            return x
        return self._linear(x, "electra.embeddings_project")

    def _layer(self, x: str, number: int) -> str:
        layer = f"{LAYER}.{number}"
        context = self._attention(x, layer)
        if number == self.shape.layers - 1:
            x = self.graph.op("Gather", x, "first", axis=0) if self.packed else self._first_column(x)
            context = self._first_column(context)
        elif self.packed:
            rows = self.graph.op("Reshape", context, self._sizes("rows", -1, self.shape.hidden))
            context = self.graph.op("Gather", rows, "unpad", axis=0)
        x = self._norm(
            x, self._linear(context, f"{layer}.attention.output.dense"), f"{layer}.attention.output.LayerNorm"
        )
        kind, domain = ACTIVATIONS[self.shape.activation]
        wide = self.graph.op(kind, self._linear(x, f"{layer}.intermediate.dense"), domain=domain)
        return self._norm(x, self._linear(wide, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")

    def _attention(self, x: str, layer: str) -> str:
        """Context float32 [windows, longest, hidden]."""
        graph = self.graph
        width = self.shape.hidden // self.shape.heads
        prepared = self.arithmetic.activation(graph, x, f"{layer}.attention.self.query")
        heads = []
        for part, factor in (("query", width**-0.5), ("key", 1.0), ("value", 1.0)):
            name = f"{layer}.attention.self.{part}"
            weight, bias = self._matrix(name)
            value = self.arithmetic.linear(
                graph, prepared, (weight * factor).astype(np.float32), (bias * factor).astype(np.float32), name
            )
            if self.packed:
                value = graph.op("Gather", value, "pad", axis=0)
            value = graph.op("Reshape", value, self._sizes("heads", 0, 0, self.shape.heads, width))
            heads.append(graph.op("Transpose", value, perm=[0, 2, 1, 3]))
        query, key, value = heads
        scores = graph.op("Add", graph.op("FusedMatMul", query, key, domain=MICROSOFT, transB=1), "bias")
        context = graph.op("MatMul", graph.op("Softmax", scores, axis=-1), value)
        context = graph.op("Transpose", context, perm=[0, 2, 1, 3])
        return graph.op("Reshape", context, self._sizes("rectangle", 0, 0, self.shape.hidden))

    def _head(self, x: str) -> str:
        weight, bias = self._matrix("out")
        product = self.graph.op("MatMul", x, self.graph.constant("out.weight", weight))
        return self.graph.op("Add", product, self.graph.constant("out.bias", bias))

    def _linear(self, x: str, name: str) -> str:
        return self.arithmetic.linear(
            self.graph, self.arithmetic.activation(self.graph, x, name), *self._matrix(name), name
        )

    def _matrix(self, name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return self.weights[f"{name}.weight"].T, self.weights[f"{name}.bias"]

    def _norm(self, x: str, y: str, name: str) -> str:
        gain = self.graph.constant(f"{name}.weight", self.weights[f"{name}.weight"])
        shift = self.graph.constant(f"{name}.bias", self.weights[f"{name}.bias"])
        return self.graph.op(
            "LayerNormalization", self.graph.op("Add", x, y), gain, shift, axis=-1, epsilon=self.shape.epsilon
        )

    def _first_column(self, x: str) -> str:
        return self.graph.op("Gather", x, self.graph.constant("zero", np.array(0, np.int64)), axis=1)

    def _sizes(self, name: str, *sizes: int) -> str:
        return self.graph.constant(f"sizes.{name}", np.array(sizes, np.int64))
