"""ElectraModel from BERT-shaped weights, weight for weight.

With `embedding_size == hidden_size`, `ElectraModel` computes exactly what `BertModel` computes, under the same
parameter names; so does SqueezeBERT once its grouped convolutions of kernel 1 are written out as matrices.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import BertConfig, BertModel, ElectraConfig, ElectraModel

from worker.core.errors import Fatal

PROBES = ("Nobody is better than anybody else.", "What a lovely day!", "you people are the worst 123")
_PROBE_TOKENS = 64

States = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""ids int64 [1, tokens] -> hidden states float32 [1, tokens, hidden]."""


def electra_model(weights: Mapping[str, Tensor], heads: int, activation: str = "gelu", eps: float = 1e-12) -> Any:
    """Return an `ElectraModel` in evaluation mode that holds `weights` (named as in BertModel), its shape read off them.

    Raises Fatal where a weight is missing.
    """
    layers = {int(name.split(".")[2]) for name in weights if name.startswith("encoder.layer.")}
    try:
        vocabulary, hidden = weights["embeddings.word_embeddings.weight"].shape
        config = ElectraConfig(
            vocab_size=vocabulary,
            embedding_size=hidden,
            hidden_size=hidden,
            num_hidden_layers=len(layers),
            num_attention_heads=heads,
            intermediate_size=weights["encoder.layer.0.intermediate.dense.weight"].shape[0],
            max_position_embeddings=weights["embeddings.position_embeddings.weight"].shape[0],
            type_vocab_size=weights["embeddings.token_type_embeddings.weight"].shape[0],
            hidden_act=activation,
            layer_norm_eps=eps,
            attn_implementation="eager",  # type: ignore[call-arg]  # of every config, not in its signature
        )
    except KeyError as error:
        raise Fatal(f"warm-start: the source is not BERT-shaped: it has no {error}") from error
    if hidden % heads:
        raise Fatal(f"warm-start: {heads} heads do not divide {hidden} hidden dimensions: give the right --heads")
    model = ElectraModel(config)
    missing, unexpected = model.load_state_dict(dict(weights), strict=False)
    missing = [name for name in missing if not name.endswith(("position_ids", "token_type_ids"))]
    if missing or unexpected:
        raise Fatal(
            f"warm-start: the source is not BERT-shaped: it lacks {_some(missing)} and has besides {_some(unexpected)}"
        )
    return model.eval()  # type: ignore[no-untyped-call]


def bert_states(weights: Mapping[str, Tensor], heads: int, eps: float = 1e-12) -> States:
    """What transformers' `BertModel` computes with `weights` and exact GELU, positions from 0, segment 0."""
    vocabulary, hidden = weights["embeddings.word_embeddings.weight"].shape
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        num_hidden_layers=len({name.split(".")[2] for name in weights if name.startswith("encoder.layer.")}),
        num_attention_heads=heads,
        intermediate_size=weights["encoder.layer.0.intermediate.dense.weight"].shape[0],
        max_position_embeddings=weights["embeddings.position_embeddings.weight"].shape[0],
        type_vocab_size=weights["embeddings.token_type_embeddings.weight"].shape[0],
        layer_norm_eps=eps,
    )
    bert: Any = BertModel(config, add_pooling_layer=False)
    bert.set_attn_implementation("eager")
    bert.load_state_dict(dict(weights), strict=False)
    return states_of(bert)


def states_of(bert: Any) -> States:
    """The hidden states of a BERT-shaped model, made ready to be asked."""
    bert.eval()

    def states(ids: NDArray[np.int64]) -> NDArray[np.float32]:
        with torch.no_grad():
            found: NDArray[np.float32] = bert(input_ids=torch.from_numpy(ids)).last_hidden_state.numpy()
        return found

    return states


def from_squeezebert(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """SqueezeBertModel's weights under BertModel's names, each grouped convolution as a block-diagonal matrix.

    A convolution of kernel 1 is a linear layer on every token; with g groups, block i of its outputs reads block i of
    its inputs alone (Iandola et al. 2020, arXiv 2006.11316).
    """
    renamed = {}
    for name, weight in weights.items():
        found = name.replace("encoder.layers.", "encoder.layer.")
        for theirs, ours in (
            (".attention.", ".attention.self."),
            (".post_attention.conv1d.", ".attention.output.dense."),
            (".post_attention.layernorm.", ".attention.output.LayerNorm."),
            (".intermediate.conv1d.", ".intermediate.dense."),
            (".output.conv1d.", ".output.dense."),
            (".output.layernorm.", ".output.LayerNorm."),
        ):
            if theirs in found:
                found = found.replace(theirs, ours)
                break
        renamed[found] = weight if weight.ndim < 3 else weight[..., 0]
    for name, weight in renamed.items():
        if name.endswith(".weight") and name.startswith("encoder.") and weight.ndim == 2:
            inputs = renamed[_layer_of(name) + "intermediate.dense.weight" if _reads_wide(name) else _HIDDEN].shape
            width = inputs[0] if _reads_wide(name) else inputs[1]
            renamed[name] = torch.block_diag(*weight.chunk(width // weight.shape[1]))  # type: ignore[no-untyped-call]
    return renamed


_HIDDEN = "embeddings.word_embeddings.weight"


def _reads_wide(name: str) -> bool:
    return name.endswith(".output.dense.weight") and "attention" not in name


def _layer_of(name: str) -> str:
    return ".".join(name.split(".")[:3]) + "."


def keep_layers(layers: nn.ModuleList, kept: Sequence[int] | None) -> nn.ModuleList:
    """Only the layers numbered in `kept`, from 0 and in rising order; None keeps all. Raises Fatal otherwise."""
    if kept is None:
        return layers
    if not kept or list(kept) != sorted(set(kept)) or kept[0] < 0 or kept[-1] >= len(layers):
        raise Fatal(
            f"warm-start: --layers {','.join(map(str, kept))}: want rising numbers from 0 to {len(layers) - 1}, "
            "without repeats"
        )
    return nn.ModuleList(copy.deepcopy(layers[number]) for number in kept)


def probe_difference(model: ElectraModel, states: States, tokenizer: Tokenizer) -> float:
    """Largest difference of a hidden state between `model` and its source, over texts and a row of random tokens.

    Raises Fatal where the tokenizer has pieces without an embedding, or the source's states another shape.
    """
    pieces = max(tokenizer.get_vocab().values()) + 1
    if pieces > model.config.vocab_size:
        raise Fatal(
            f"warm-start: the tokenizer has {pieces} pieces, the source embeddings for {model.config.vocab_size}: "
            "they do not belong together"
        )
    rows = [tokenizer.encode(text).ids for text in PROBES]
    length = min(_PROBE_TOKENS, model.config.max_position_embeddings)
    rows.append(np.random.default_rng(0).integers(0, pieces, length).tolist())
    difference = 0.0
    for row in rows:
        ids = np.array([row[: model.config.max_position_embeddings]], dtype=np.int64)
        expected = states(ids)
        with torch.no_grad():
            found = model(input_ids=torch.from_numpy(ids)).last_hidden_state.numpy()
        if found.shape != expected.shape:
            raise Fatal(f"warm-start: the source gives states of shape {expected.shape}, not {found.shape}")
        difference = max(difference, float(np.abs(found - expected).max()))
    return difference


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "") if names else "nothing"
