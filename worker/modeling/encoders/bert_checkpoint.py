"""An ElectraModel from BERT as Google released it: a checkpoint of TensorFlow's.

With exact GELU, as Hugging Face's `bert-base-uncased` has it, where Google computed an approximation by tanh: the hidden
states of both differ by .01 on short texts, which fine-tuning takes up.
"""

from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import ElectraModel

from worker.core.errors import Fatal
from worker.modeling.encoders.electra_weights import bert_states, electra_model, probe_difference
from worker.modeling.encoders.tensor_bundle import read_bundle

_ROOT = "bert/"
_RENAMED = (
    ("/", "."),
    ("layer_", "layer."),
    ("_embeddings", "_embeddings.weight"),
    (".gamma", ".weight"),
    (".beta", ".bias"),
    (".kernel", ".weight"),
)


def from_checkpoint(prefix: Path, tokenizer: Tokenizer, heads: int) -> tuple[ElectraModel, float]:
    """The encoder in `PREFIX.index`, and its largest hidden-state difference from BertModel with the same weights.

    Raises Fatal where the files are no such checkpoint, or hold no BERT.
    """
    weights = _weights(prefix)
    try:
        model = electra_model(weights, heads)
    except (RuntimeError, ValueError, IndexError) as error:
        raise Fatal(f"warm-start: {prefix}: holds no BERT: {error}") from error
    return model, probe_difference(model, bert_states(weights, heads), tokenizer)


def _weights(prefix: Path) -> dict[str, Tensor]:
    """Under BertModel's names. A kernel is [inputs, outputs] in TensorFlow, a weight [outputs, inputs] in torch."""
    found = {}
    for name, array in read_bundle(prefix).items():
        _, root, ours = name.rpartition(_ROOT)  # a hub module has a name before it
        if not root or ours.startswith("pooler/"):
            continue
        for theirs, torchs in _RENAMED:
            ours = ours.replace(theirs, torchs)
        found[ours] = torch.from_numpy(np.array(array.T if name.endswith("/kernel") else array))
    return found
