"""Encoders as others publish them, tiny and random, for tests of warm-start."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import BertModel, ElectraModel, PreTrainedTokenizerFast

from tests.modeling.tiny import VOCABULARY

HEADS = 4
SHAPE: dict[str, Any] = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": HEADS,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}


class States(torch.nn.Module):
    """A BERT whose only output are its hidden states, as exporters want it."""

    def __init__(self, bert: BertModel) -> None:
        super().__init__()
        self.bert = bert

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.bert(ids, mask[:, None, None, :].float() * 0, types).last_hidden_state
        return found


def disturbed(model: Any) -> Any:
    """The model, its parameters moved a little: a fresh model's biases are all zero."""
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model.eval()


def saved(model: Any, tokenizer_file: Path, path: Path) -> Path:
    model.save_pretrained(path)
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer)  # type: ignore[no-untyped-call]
    wrapped.save_pretrained(path)
    return path


def states(model: Any) -> torch.Tensor:
    ids = torch.tensor([[2, 10, 20, 30, 40, 3]])
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=ids).last_hidden_state
    return found


def assert_same(original: Any, out: Path) -> ElectraModel:
    electra = ElectraModel.from_pretrained(out)
    electra.eval()  # type: ignore[no-untyped-call]
    assert torch.allclose(states(original), states(electra), atol=1e-5)
    assert (out / "tokenizer.json").is_file()
    return electra
