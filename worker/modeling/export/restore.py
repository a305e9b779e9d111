"""A trained classifier from a bundle: to go on from a model whose float32 weights are not at hand.

Its weights are those of the graph, int8 values times their scales, the calibration of scores in the last layer. So it
computes what the bundle serves, but for the rounding of activations, which torch does not do.
"""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

import onnx
import torch
from transformers import ElectraConfig, ElectraModel

from worker.core.errors import Fatal
from worker.model.manifest import MODEL, TOKENIZER
from worker.modeling.bundles import load_named
from worker.modeling.encoders.directories import refuse_full, written_aside
from worker.modeling.export.constants import Constants
from worker.modeling.export.electra_graph import EMBEDDINGS, LAYER
from worker.modeling.export.verify import Agreement, check_agreement
from worker.modeling.training.config import ClassifierConfig
from worker.modeling.training.network import Classifier

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
    served = load_named(bundle)
    manifest = served.bundle.manifest
    if manifest.problem_type != "multi_label_classification":
        raise Fatal(f"restore: {bundle}: its labels exclude each other; only independent ones can be restored")
    graph = onnx.load(str(bundle / MODEL)).graph
    config = ClassifierConfig(tuple(manifest.labels), manifest.max_length, normalisation=manifest.normalisation)
    try:
        model = _classifier(Constants(graph), config)
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


def _classifier(constants: Constants, config: ClassifierConfig) -> Classifier:
    words, positions = constants.words(), constants.vector("positions.weight")
    shape = constants.shape()
    wide = constants.matrix(f"{LAYER}.0.intermediate.dense")
    encoder = ElectraModel(
        ElectraConfig(
            vocab_size=len(words),
            embedding_size=words.shape[1],
            hidden_size=shape.hidden,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            intermediate_size=len(wide),
            max_position_embeddings=len(positions),
            type_vocab_size=1,
            hidden_act=shape.activation,
            layer_norm_eps=shape.epsilon,
        )
    )
    model = Classifier(encoder, config)
    state = {f"{EMBEDDINGS}.word_embeddings.weight": words, f"{EMBEDDINGS}.position_embeddings.weight": positions}
    state[f"{EMBEDDINGS}.token_type_embeddings.weight"] = torch.zeros(1, words.shape[1])  # part of the positions
    for name in model.state_dict():
        if name not in state and name.endswith((".weight", ".bias")):
            state[name] = _value(constants, name, shape.width)
    model.load_state_dict(state, strict=False)
    return model.eval()


def _value(constants: Constants, name: str, width: int) -> torch.Tensor:
    """A layer's parameter. Queries are scaled in the graph: torch divides the attention scores instead."""
    layer, _, kind = name.rpartition(".")
    if kind == "bias" or layer.endswith("LayerNorm"):
        found = constants.vector(name)
    else:
        site = re.sub(r"attention\.self\.\w+$", "attention.self.query", layer)
        found = constants.matrix(layer, site)
    return found * width**0.5 if layer.endswith("attention.self.query") else found
