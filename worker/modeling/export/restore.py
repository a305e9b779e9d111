"""A trained classifier from a bundle: to go on from a model whose float32 weights are not at hand.

Its weights are those of the graph, int8 values times their scales, the calibration of scores in the last layer. So it
computes what the bundle serves, but for the rounding of activations, which torch does not do.
"""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from transformers import ElectraConfig, ElectraModel

from worker.core.errors import Fatal
from worker.model.classifier import Classifier as Served
from worker.model.manifest import MODEL, TOKENIZER
from worker.modeling.encoders.directories import refuse_full, written_aside
from worker.modeling.export.electra_graph import ACTIVATIONS, EMBEDDINGS, LAYER
from worker.modeling.export.verify import Agreement, check_agreement
from worker.modeling.training.network import Classifier, ClassifierConfig

REPORT = "restored.json"
_PROBES = ("what a lovely day", "you people are the worst", "nobody is better than anybody else", "go away, all of you")


@dataclass(frozen=True, slots=True)
class Restored:
    """Which bundle a classifier was made from, and how far their probabilities are apart."""

    name: str
    version: str
    quantization: str
    sha256: str
    agreement: Agreement


def restore(bundle: Path, out: Path) -> Restored:
    """Write the classifier of `bundle` to `out`, a directory that is new or empty.

    Raises Fatal where `bundle` is none that `export` wrote, or the classifier computes something else.
    """
    refuse_full(out)
    served = Served.load(bundle)
    manifest = served.bundle.manifest
    if manifest.problem_type != "multi_label_classification":
        raise Fatal(f"restore: {bundle}: its labels exclude each other; only independent ones can be restored")
    graph = onnx.load(str(bundle / MODEL)).graph
    config = ClassifierConfig(tuple(manifest.labels), manifest.max_length, normalisation=manifest.normalisation)
    try:
        model = _classifier(_Constants(graph), config)
    except (KeyError, StopIteration, ValueError, RuntimeError) as error:
        raise Fatal(f"restore: {bundle}: {MODEL} is not a graph of `moderation-model export`: {error!r}") from error
    windows = [
        window for found in served.windows([served.normalise(text).text for text in _PROBES]) for window in found
    ]
    agreement = check_agreement(served, model, windows)
    report = Restored(manifest.name, manifest.version, manifest.quantization, served.bundle.sha256, agreement)
    with written_aside(out) as folder:
        model.save(folder, bundle / TOKENIZER)
        (folder / REPORT).write_text(json.dumps(asdict(report), indent=2) + "\n")
    return report


class _Constants:
    """The constants and operators of a graph that `build_graph` made."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        self.operators = {node.op_type: node for node in graph.node}

    def vector(self, name: str) -> torch.Tensor:
        """A constant as it is."""
        return torch.tensor(self._tensors[name])

    def matrix(self, name: str, site: str | None = None) -> torch.Tensor:
        """The weight [out, in] of a linear layer whose input is prepared at `site`, float32 or quantized."""
        weight: NDArray[np.float32] = self._tensors[f"{name}.weight"].astype(np.float32)
        if (scales := self._tensors.get(f"{name}.scales")) is not None:
            weight = weight * scales
            if (divided := self._tensors.get(f"{site or name}.factors")) is not None:
                weight = weight * divided[:, None]
        return torch.tensor(np.ascontiguousarray(weight.T))

    def words(self) -> torch.Tensor:
        """The embeddings of the vocabulary [pieces, width]."""
        table: NDArray[np.float32] = self._tensors["words"].astype(np.float32)
        scales = self._tensors.get("words.scales")
        return torch.tensor(table if scales is None else table * scales)

    def layers(self) -> int:
        """How many layers the encoder has."""
        numbers = [int(found[1]) for name in self._tensors if (found := re.match(rf"{LAYER}\.(\d+)\.", name))]
        return max(numbers) + 1


def _classifier(constants: _Constants, config: ClassifierConfig) -> Classifier:
    words, positions = constants.words(), constants.vector("positions.weight")
    heads = int(constants.vector("sizes.heads")[2])
    operator = next(kind for kind, (name, _) in ACTIVATIONS.items() if name in constants.operators)
    norm = next(a for a in constants.operators["LayerNormalization"].attribute if a.name == "epsilon")
    wide = constants.matrix(f"{LAYER}.0.intermediate.dense")
    encoder = ElectraModel(
        ElectraConfig(
            vocab_size=len(words),
            embedding_size=words.shape[1],
            hidden_size=wide.shape[1],
            num_hidden_layers=constants.layers(),
            num_attention_heads=heads,
            intermediate_size=len(wide),
            max_position_embeddings=len(positions),
            type_vocab_size=1,
            hidden_act=operator,
            layer_norm_eps=norm.f,
        )
    )
    model = Classifier(encoder, config)
    state = {f"{EMBEDDINGS}.word_embeddings.weight": words, f"{EMBEDDINGS}.position_embeddings.weight": positions}
    state[f"{EMBEDDINGS}.token_type_embeddings.weight"] = torch.zeros(1, words.shape[1])  # part of the positions
    for name in model.state_dict():
        if name not in state and name.endswith((".weight", ".bias")):
            state[name] = _value(constants, name, wide.shape[1] // heads)
    model.load_state_dict(state, strict=False)
    return model.eval()


def _value(constants: _Constants, name: str, width: int) -> torch.Tensor:
    """A layer's parameter. Queries are scaled in the graph: torch divides the attention scores instead."""
    layer, _, kind = name.rpartition(".")
    if kind == "bias" or layer.endswith("LayerNorm"):
        found = constants.vector(name)
    else:
        site = re.sub(r"attention\.self\.\w+$", "attention.self.query", layer)
        found = constants.matrix(layer, site)
    return found * width**0.5 if layer.endswith("attention.self.query") else found
