"""The multilingual encoder as a source of `warm-start`."""

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import ElectraModel

from worker.modeling.encoders.electra_weights import bert_states, electra_model, probe_difference
from worker.modeling.encoders.multilingual.packed import Packed, read_packed
from worker.modeling.encoders.multilingual.pruning import of_korean, prune
from worker.modeling.posts.texts import read_texts
from worker.text.normalise import normalise

_LINEAR = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "fi": "intermediate.dense",
    "fo": "output.dense",
}
_NORMS = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}
_MASK = "<mask>"


def from_packed(path: Path, texts: Sequence[Path]) -> tuple[ElectraModel, Tokenizer, float]:
    """The encoder in a file of 4-bit weights, with the vocabulary that Korean and `texts` need.

    Returns the model, its tokenizer and the largest difference of a hidden state from transformers' BertModel with
    the same weights. Raises Fatal where the file or a text cannot be read.
    """
    packed = read_packed(path)
    row = {piece: number for number, (piece, _) in enumerate(packed.pieces)}
    special = (packed.pad, packed.unk, packed.bos, packed.eos, row.get(_MASK, packed.unk))
    pruned = prune(packed.pieces, special, of_korean, (normalise(text).text for text in read_texts(texts)))
    weights = _weights(packed, pruned.rows)
    heads, epsilon = packed.sizes.heads, packed.sizes.epsilon
    model = electra_model(weights, heads, "gelu", epsilon)
    return model, pruned.tokenizer, probe_difference(model, bert_states(weights, heads, epsilon), pruned.tokenizer)


def _weights(packed: Packed, rows: Sequence[int]) -> dict[str, Tensor]:
    """The weights under BertModel's names, with the embeddings of `rows` alone."""
    sizes = packed.sizes
    words = packed.tensor("emb.word", sizes.embeddings, sizes.hidden)[list(rows)]
    found = {
        "embeddings.word_embeddings.weight": words,
        "embeddings.position_embeddings.weight": packed.tensor("emb.pos", sizes.positions, sizes.hidden),
        "embeddings.token_type_embeddings.weight": packed.tensor("emb.type", sizes.types, sizes.hidden),
        "embeddings.LayerNorm.weight": packed.tensor("emb.ln.w", sizes.hidden),
        "embeddings.LayerNorm.bias": packed.tensor("emb.ln.b", sizes.hidden),
    }
    for number in range(sizes.layers):
        for short, name in _LINEAR.items():
            inputs = sizes.intermediate if short == "fo" else sizes.hidden
            outputs = sizes.intermediate if short == "fi" else sizes.hidden
            layer = f"encoder.layer.{number}.{name}"
            found[f"{layer}.weight"] = packed.tensor(f"l{number}.{short}.w", outputs, inputs)
            found[f"{layer}.bias"] = packed.tensor(f"l{number}.{short}.b", outputs)
        for short, name in _NORMS.items():
            layer = f"encoder.layer.{number}.{name}"
            found[f"{layer}.weight"] = packed.tensor(f"l{number}.{short}.w", sizes.hidden)
            found[f"{layer}.bias"] = packed.tensor(f"l{number}.{short}.b", sizes.hidden)
    return {name: torch.from_numpy(value) for name, value in found.items()}
