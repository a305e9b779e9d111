"""The classifier as torch sees it: an ELECTRA encoder, dropout and one linear layer on [CLS]."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import ElectraModel

from worker.core.errors import Fatal

HEAD = "head.safetensors"
CONFIG = "classifier.json"


@dataclass(frozen=True, slots=True)
class ClassifierConfig:
    """What a trained classifier directory says about itself, beside the encoder's own config.json."""

    labels: tuple[str, ...]
    max_length: int
    problem_type: str = "multi_label_classification"


class Classifier(nn.Module):
    """ids, mask int64 [posts, tokens] -> logits float32 [posts, labels]. Labels are independent sigmoids."""

    def __init__(self, encoder: nn.Module, config: ClassifierConfig, dropout: float = 0.3) -> None:
        super().__init__()
        self.electra = encoder
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(encoder.config.hidden_size, len(config.labels))  # type: ignore[union-attr, arg-type]
        self.config = config

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return logits; the [CLS] state alone is read."""
        states = self.electra(input_ids=ids, attention_mask=mask).last_hidden_state
        logits: Tensor = self.out(self.dropout(states[:, 0]))
        return logits

    def save(self, directory: Path) -> None:
        """Write encoder, head and config to a directory that `load` reads."""
        directory.mkdir(parents=True, exist_ok=True)
        self.electra.save_pretrained(directory)  # type: ignore[operator]
        save_file({k: v.contiguous() for k, v in self.out.state_dict().items()}, directory / HEAD)
        (directory / CONFIG).write_text(json.dumps(asdict(self.config), indent=2) + "\n")

    @classmethod
    def load(cls, directory: Path) -> "Classifier":
        """Read what `save` wrote. Raises Fatal where the directory is no trained classifier."""
        if not (directory / CONFIG).is_file():
            raise Fatal(f"{directory}: no {CONFIG}: not a trained classifier; `moderation-model train` makes one")
        raw = json.loads((directory / CONFIG).read_text())
        config = ClassifierConfig(tuple(raw["labels"]), raw["max_length"], raw["problem_type"])
        model = cls(ElectraModel.from_pretrained(directory), config)
        model.out.load_state_dict(load_file(directory / HEAD))
        return model.eval()


def collate(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Pad token id lists to one length: ids and mask, int64 [posts, tokens]."""
    width = max(map(len, rows))
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = 1
    return ids, mask


@torch.no_grad()
def predict(model: Classifier, rows: Sequence[Sequence[int]], batch_size: int = 64) -> Tensor:
    """Probabilities float32 [posts, labels], in the order of `rows`; batches are cut from the rows by length."""
    model.eval()
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    scores = torch.zeros(len(rows), len(model.config.labels))
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(*collate([rows[i] for i in chosen]))
        scores[chosen] = logits.float().sigmoid()
    return scores
