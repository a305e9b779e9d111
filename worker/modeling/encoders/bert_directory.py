"""An ElectraModel from a Hugging Face directory or hub id of a BERT, an ELECTRA or a SqueezeBERT.

HateBERT is a BERT, TinyBERT one of 312 dimensions, KoELECTRA an ELECTRA: what counts is the architecture.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertModel,
    ElectraConfig,
    ElectraModel,
    PreTrainedConfig,
    SqueezeBertConfig,
    SqueezeBertModel,
)

from worker.core.errors import Fatal
from worker.modeling.encoders.electra_weights import (
    electra_model,
    from_squeezebert,
    keep_layers,
    probe_difference,
    states_of,
)
from worker.modeling.encoders.vocabulary import read_tokenizer

_KINDS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "bert": (BertConfig, BertModel, {"add_pooling_layer": False}),
    "electra": (ElectraConfig, ElectraModel, {}),
    "squeezebert": (SqueezeBertConfig, SqueezeBertModel, {}),
}


def from_hugging_face(
    source: str, layers: Sequence[int] | None, known: Sequence[str]
) -> tuple[ElectraModel, Tokenizer, float]:
    """Return the model, its tokenizer and the largest hidden-state difference from the source.

    With `layers`, the source too runs with only these. `known`: the other sources, for the message. Raises Fatal
    where the source cannot be had, is of another architecture, lacks weights, or has no tokenizer.
    """
    try:
        raw, _ = PreTrainedConfig.get_config_dict(source)
        kind = raw.get("model_type", "bert")  # TinyBERT's config.json is older than this field
        if kind not in _KINDS:
            raise Fatal(f"warm-start: {source}: its architecture is {kind!r}; BERT's shape have: {', '.join(_KINDS)}")
        make_config, make_model, options = _KINDS[kind]
        config = make_config.from_dict(raw)
        original, report = make_model.from_pretrained(
            source, config=config, attn_implementation="eager", output_loading_info=True, **options
        )
        tokenizer = _tokenizer(source, config)
    except (OSError, ValueError, RuntimeError) as error:
        raise Fatal(
            f"warm-start: {source!r} is neither {', '.join(known)}, nor a directory of such a model, "
            f"nor a hub id that can be reached: {error}"
        ) from error
    lacking = sorted(name for name in report["missing_keys"] if not name.startswith("pooler."))
    if lacking:
        raise Fatal(f"warm-start: {source}: its weights lack {', '.join(lacking[:3])} and so on")
    if kind == "squeezebert":
        original.encoder.layers = keep_layers(original.encoder.layers, layers)
    else:
        original.encoder.layer = keep_layers(original.encoder.layer, layers)
        original.config.num_hidden_layers = len(original.encoder.layer)
    model = _as_electra(original, kind)
    return model, tokenizer, probe_difference(model, states_of(original), tokenizer)


def _as_electra(original: Any, kind: str) -> ElectraModel:
    if kind == "electra":
        kept: ElectraModel = original  # its embeddings may be narrower than its layers
        return kept
    names = ("embeddings.", "encoder.")
    weights = {k: v.detach().clone() for k, v in original.state_dict().items() if k.startswith(names)}
    config = original.config
    model: ElectraModel = electra_model(
        from_squeezebert(weights) if kind == "squeezebert" else weights,
        config.num_attention_heads,
        config.hidden_act,
        config.layer_norm_eps,
    )
    return model


def _tokenizer(source: str, config: Any) -> Tokenizer:
    file = Path(source) / "tokenizer.json"
    if file.is_file() and not file.with_name("tokenizer_config.json").exists():
        return read_tokenizer(file)  # an encoder of ours: AutoTokenizer would take it for an uncased WordPiece one
    found = AutoTokenizer.from_pretrained(source, config=config)
    if not isinstance(getattr(found, "backend_tokenizer", None), Tokenizer):
        raise Fatal(f"warm-start: {source}: no tokenizer.json, nor a vocab.txt to make one of")
    return Tokenizer.from_str(found.backend_tokenizer.to_str())
