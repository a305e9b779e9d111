"""Encoder shapes to compare, and classifiers of these shapes with weights of our own making."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import ElectraConfig, ElectraModel

from worker.modeling.training.config import ClassifierConfig
from worker.modeling.training.network import Classifier

LABELS = ("hate", "offensive")
MAX_LENGTH = 128
SPREAD = 1.5
"""Length of a random head's rows. A state has unit variance, so that errors of a state show in the logits as they do
in a fine-tuned classifier's, whose logits have about this standard deviation."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """The shape of an ELECTRA or BERT encoder. `embedding` differs from `hidden` where embeddings are projected.

    `groups`: how many blocks lie on the diagonal of its matrices (all but the attention's output); the rest is 0.
    """

    name: str
    layers: int
    hidden: int
    embedding: int
    heads: int
    intermediate: int
    groups: int = 1
    note: str = ""


ENCODERS = (
    Encoder("ELECTRA-small 12x256", 12, 256, 128, 4, 1024),
    Encoder("ELECTRA 6x384", 6, 384, 384, 12, 1536),
    Encoder("ELECTRA 6x384/128", 6, 384, 128, 12, 1536, note="embeddings factorised to 128 dimensions"),
    Encoder("ELECTRA 12x384", 12, 384, 384, 12, 1536),
    Encoder("TinyBERT 4x312", 4, 312, 312, 12, 1200),
    Encoder("TinyBERT 6x768", 6, 768, 768, 12, 3072),
    Encoder(
        "SqueezeBERT 12x768",
        12,
        768,
        768,
        12,
        3072,
        groups=4,
        note="grouped matrices as dense ones, three quarters of them zeros: computed and stored like BERT-base",
    ),
    Encoder("BERT-base 12x768", 12, 768, 768, 12, 3072, note="HateBERT's shape"),
)
REFERENCE = ENCODERS[0].name
"""What the others' speed is compared with."""


def own_classifier(encoder: Encoder, vocabulary: int, positions: int = 512, seed: int = 0) -> Classifier:
    """A classifier of this shape with random weights: the encoder's as ELECTRA initialises them."""
    torch.manual_seed(seed)
    config = ElectraConfig(
        vocab_size=vocabulary,
        embedding_size=encoder.embedding,
        hidden_size=encoder.hidden,
        num_hidden_layers=encoder.layers,
        num_attention_heads=encoder.heads,
        intermediate_size=encoder.intermediate,
        max_position_embeddings=positions,
    )
    model = ElectraModel(config)
    if encoder.groups > 1:
        for name, module in model.named_modules():
            if isinstance(module, nn.Linear) and not name.endswith("attention.output.dense"):
                _keep_blocks(module, encoder.groups)
    classifier = Classifier(model, ClassifierConfig(LABELS, min(MAX_LENGTH, positions))).eval()
    with torch.no_grad():
        weight = classifier.out.weight
        weight.mul_(SPREAD / weight.norm(dim=1, keepdim=True))
    return classifier


def shape_of(name: str, classifier: Classifier) -> Encoder:
    """The shape of a trained classifier's encoder."""
    config: Any = classifier.electra.config
    return Encoder(
        name=name,
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        embedding=config.embedding_size,
        heads=config.num_attention_heads,
        intermediate=config.intermediate_size,
    )


def parameters(classifier: Classifier, groups: int = 1) -> int:
    """Weights of what is served, encoder and common head, that are not 0 by construction."""
    return sum(
        p.numel()
        // (groups if p.ndim > 1 and name.startswith("electra.encoder") and "attention.output" not in name else 1)
        for name, p in classifier.named_parameters()
        if not name.startswith("sources.")
    )


def _keep_blocks(layer: nn.Linear, groups: int) -> None:
    """Zero all but the blocks on the diagonal."""
    height, width = layer.weight.shape
    block = torch.ones(height // groups, width // groups)
    with torch.no_grad():
        layer.weight.mul_(torch.block_diag(*[block] * groups))  # type: ignore[no-untyped-call]
