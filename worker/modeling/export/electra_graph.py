"""The classifier as an ONNX graph, built operator by operator.

Token-wise work runs on [tokens, hidden] of the whole batch without padding (layout "packed"); a rectangle is filled
only inside attention. The last layer asks for [CLS] alone. Add and LayerNormalization stay apart, Q, K and V stay
apart: both were faster than their fused forms.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray

from worker.core.errors import Fatal
from worker.model.manifest import Layout
from worker.model.session import OUTPUT
from worker.modeling.export.arithmetic import Activation, Arithmetic
from worker.modeling.export.graph import MICROSOFT, GraphBuilder
from worker.modeling.training.network import Classifier

Weights: TypeAlias = Mapping[str, NDArray[Any]]

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

    @property
    def width(self) -> int:
        """Of a head."""
        return self.hidden // self.heads

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
    config = classifier.config
    return assemble(weights, Shape.of(classifier), arithmetic, layout, config.max_length, len(config.labels))


def assemble(
    weights: Weights, shape: Shape, arithmetic: Arithmetic, layout: Layout, max_length: int, labels: int
) -> onnx.ModelProto:
    """The graph of weights by the names that a classifier's state has for them."""
    return _Network(weights, shape, arithmetic, layout == "packed").build(max_length, labels)


class _Network:
    def __init__(self, weights: Weights, shape: Shape, arithmetic: Arithmetic, packed: bool) -> None:
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
            self.cells = graph.op("Transpose", "pad", perm=[1, 0])
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
        last = number == self.shape.layers - 1
        context = self._attention(x, layer, last=last)
        if last:
            x = self._first(x)
        elif self.packed:
            rows = self.graph.op("Reshape", context, self._sizes("rows", -1, self.shape.hidden))
            context = self.graph.op("Gather", rows, "unpad", axis=0)
        x = self._norm(
            x, self._linear(context, f"{layer}.attention.output.dense"), f"{layer}.attention.output.LayerNorm"
        )
        kind, domain = ACTIVATIONS[self.shape.activation]
        wide = self.graph.op(kind, self._linear(x, f"{layer}.intermediate.dense"), domain=domain)
        return self._norm(x, self._linear(wide, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")

    def _attention(self, x: str, layer: str, *, last: bool) -> str:
        """Context float32 [windows, longest, hidden], of the last layer [windows, hidden]: that of [CLS].

        Heads are [longest, windows, heads, width]: the products read them so, with nothing transposed in memory.
        """
        graph = self.graph
        prepared = self.arithmetic.activation(graph, x, f"{layer}.attention.self.query")
        query = self._first_query(prepared, layer) if last else self._heads(prepared, layer, "query")
        key, value = (self._heads(prepared, layer, part) for part in ("key", "value"))
        scores = graph.op("FusedMatMul", query, key, domain=MICROSOFT, transBatchA=1, transBatchB=1, transB=1)
        weights = graph.op("Softmax", graph.op("Add", scores, "bias"), axis=-1)
        context = graph.op("FusedMatMul", weights, value, domain=MICROSOFT, transBatchB=1)
        if last:
            context = graph.op("Gather", context, self._zero(), axis=2)
            return graph.op("Reshape", context, self._sizes("one", 0, self.shape.hidden))
        context = graph.op("Transpose", context, perm=[0, 2, 1, 3])
        return graph.op("Reshape", context, self._sizes("rectangle", 0, 0, self.shape.hidden))

    def _heads(self, prepared: Activation, layer: str, part: str) -> str:
        rows = self._projected(prepared, layer, part)
        columns = (
            self.graph.op("Gather", rows, self.cells, axis=0)
            if self.packed
            else self.graph.op("Transpose", rows, perm=[1, 0, 2])
        )
        return self.graph.op("Reshape", columns, self._sizes("heads", 0, 0, self.shape.heads, self.shape.width))

    def _first_query(self, prepared: Activation, layer: str) -> str:
        """[CLS] of each window, twice: of one row alone, a product's sums would be taken in another order."""
        first = replace(prepared, value=self._first(prepared.value))
        row = self.graph.op(
            "Reshape",
            self._projected(first, layer, "query"),
            self._sizes("query", 1, -1, self.shape.heads, self.shape.width),
        )
        return self.graph.op("Concat", row, row, axis=0)

    def _projected(self, prepared: Activation, layer: str, part: str) -> str:
        name = f"{layer}.attention.self.{part}"
        weight, bias = self._matrix(name)
        if part == "query":
            factor = self.shape.width**-0.5
            weight, bias = (weight * factor).astype(np.float32), (bias * factor).astype(np.float32)
        return self.arithmetic.linear(self.graph, prepared, weight, bias, name)

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

    def _first(self, x: str) -> str:
        """[CLS] of each window: [windows, hidden]."""
        return (
            self.graph.op("Gather", x, "first", axis=0)
            if self.packed
            else self.graph.op("Gather", x, self._zero(), axis=1)
        )

    def _zero(self) -> str:
        return self.graph.constant("zero", np.array(0, np.int64))

    def _sizes(self, name: str, *sizes: int) -> str:
        return self.graph.constant(f"sizes.{name}", np.array(sizes, np.int64))
