"""The classifier as torch sees it: an ELECTRA encoder, a head, and one sigmoid for each label."""

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import ElectraModel

from worker.core.errors import Fatal
from worker.model.cpu import has_bfloat16
from worker.model.tokenizer import load_tokenizer
from worker.modeling.training.config import CONFIG, ClassifierConfig, read_config

ENCODER = "model.safetensors"
_ENCODER_FILES = ("config.json", "tokenizer.json", "model*.safetensors", "pytorch_model*.bin")
HEAD = "head.safetensors"


class Classifier(nn.Module):
    """ids, mask int64 [posts, tokens] -> logits float32 [posts, labels]. Labels are independent sigmoids."""

    def __init__(self, encoder: nn.Module, config: ClassifierConfig, dropout: float = 0.3) -> None:
        super().__init__()
        hidden: int = encoder.config.hidden_size  # type: ignore[union-attr, assignment]
        self.electra = encoder
        self.lstm = (
            nn.LSTM(hidden, hidden // 2, batch_first=True, bidirectional=True) if config.head == "lstm" else None
        )
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(hidden, len(config.labels))
        self.sources = nn.Linear(hidden, len(config.sources) * len(config.labels)) if config.sources else None
        self.config = config

    def states(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the encoder's last hidden states, float [posts, tokens, hidden]."""
        states: Tensor = self.electra(input_ids=ids, attention_mask=mask).last_hidden_state
        return states

    def features(self, states: Tensor, mask: Tensor) -> Tensor:
        """Return what the linear layers read (through `dropout`): [CLS], or the LSTM's two last outputs; [posts, hidden]."""
        if self.lstm is None:
            return states[:, 0]
        lengths = mask.sum(dim=1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(states.float(), lengths, batch_first=True, enforce_sorted=False)
        _, (last, _) = self.lstm(packed)
        return torch.cat((last[0], last[1]), dim=1)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the logits of the common head."""
        logits: Tensor = self.out(self.dropout(self.features(self.states(ids, mask), mask)))
        return logits

    def source_logits(self, features: Tensor, source: Tensor) -> Tensor:
        """Logits of each post's own source head. `source` int64 [posts], -1 for none (its row means nothing)."""
        if self.sources is None:
            raise Fatal("this classifier has no heads of single sources")
        every = self.sources(features).view(len(features), len(self.config.sources), -1)
        chosen: Tensor = every[torch.arange(len(features), device=features.device), source.clamp(min=0)]
        return chosen

    def save(self, directory: Path, tokenizer: Path) -> None:
        """Write encoder, head, config and tokenizer to a directory that `load` reads; the config appears last.

        Raises Fatal where they cannot be written; what the directory held before then still stands.
        """
        aside = directory / ".partial"
        try:
            shutil.rmtree(aside, ignore_errors=True)  # left by a run that was killed
            aside.mkdir(parents=True)
            self.electra.save_pretrained(aside)  # type: ignore[operator]
            shutil.copyfile(tokenizer, aside / "tokenizer.json")
            head = {k: v.contiguous() for k, v in self.state_dict().items() if not k.startswith("electra.")}
            save_file(head, aside / HEAD)
            (aside / CONFIG).write_text(json.dumps(asdict(self.config), indent=2) + "\n")
            (directory / CONFIG).unlink(missing_ok=True)
            for file in sorted(aside.iterdir(), key=lambda file: file.name == CONFIG):
                file.replace(directory / file.name)
        except (OSError, SafetensorError) as error:
            raise Fatal(f"{directory}: the classifier cannot be written: {error}") from error
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    @classmethod
    def load(cls, directory: Path) -> "Classifier":
        """Read what `save` wrote. Raises Fatal where the directory is no trained classifier."""
        config = read_config(directory)
        try:
            model = cls(load_encoder(directory), config)
            head = {k if "." in k else f"out.{k}": v for k, v in load_file(directory / HEAD).items()}
            rest = {f"electra.{name}": value for name, value in model.electra.state_dict().items()}
            model.load_state_dict(head | rest)
            check_vocabulary(model.electra.config, load_tokenizer(directory / "tokenizer.json"), directory)
        except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
            raise Fatal(f"{directory}: not a trained classifier of this version: {error}") from error
        return model.eval()


def load_encoder(directory: Path, dropout: float = 0.0, attention_dropout: float = 0.0) -> ElectraModel:
    """Read an encoder directory, for training on CPUs.

    Attention is computed step by step and, unless told, without dropout: torch's fused attention takes two fifths of a
    step on a CPU (its backward pass runs on few threads), and drawing the dropout of attention weights a sixth.
    Raises Fatal where the directory holds no ELECTRA encoder, or not all of its weights.
    """
    _refuse_none(directory)
    try:
        found: Any = ElectraModel.from_pretrained(  # a pair, where information is asked for
            directory,
            local_files_only=True,
            output_loading_info=True,
            attn_implementation="eager",
            attention_probs_dropout_prob=attention_dropout,
            hidden_dropout_prob=dropout,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise Fatal(f"{directory}: cannot be read as an ELECTRA encoder: {error}") from error
    encoder: ElectraModel = found[0]
    if missing := sorted(found[1]["missing_keys"]):  # transformers would draw them at random
        raise Fatal(f"{directory}: lacks {len(missing)} weights of the encoder in its config.json: {missing[0]}, ...")
    return encoder


def _refuse_none(directory: Path) -> None:
    if not (directory / "config.json").is_file():
        raise Fatal(f"{directory}: no encoder directory; `moderation-model warm-start` makes one")


def check_vocabulary(encoder: Any, tokenizer: Tokenizer, path: Path) -> None:
    """Raise Fatal where a piece of the vocabulary has no embedding. `encoder`: its configuration."""
    highest, rows = max(tokenizer.get_vocab(with_added_tokens=True).values()), encoder.vocab_size
    if highest >= rows:
        raise Fatal(
            f"{path}: the vocabulary has a piece {highest}, the encoder {rows} embeddings: they do not belong together"
        )


def encoder_digest(directory: Path) -> str:
    """As `weights_digest`, of an encoder's weights, configuration and vocabulary."""
    _refuse_none(directory)
    try:
        return _digest(sorted(path for name in _ENCODER_FILES for path in directory.glob(name)))
    except OSError as error:
        raise Fatal(f"{directory}: cannot be read as an ELECTRA encoder: {error}") from error


def weights_digest(directory: Path) -> str:
    """16 hexadecimal digits of the SHA-256 of a classifier's weights. Raises Fatal where the directory holds none."""
    try:
        return _digest([directory / ENCODER, directory / HEAD])
    except OSError as error:
        raise Fatal(f"{directory}: not a trained classifier: {error}; `moderation-model train` makes one") from error


def _digest(files: Sequence[Path]) -> str:
    found = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()[:16]


def device() -> torch.device:
    """The accelerator, where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def refuse_infinite(loss: Tensor, step: int) -> None:
    """Raise Fatal where a loss is no finite number: before its gradients spoil the weights, and a checkpoint keeps them."""
    value = float(loss.detach())
    if not math.isfinite(value):
        raise Fatal(f"the loss is {value} at step {step + 1}: the training diverged; a lower --learning-rate may help")


def autocast(where: torch.device, wanted: bool = True) -> torch.autocast:
    """Matrix products in bfloat16 where the hardware has them, else everything in float32.

    A CPU without them takes 5 times as long in bfloat16 as in float32 (960 × 384 by 384 × 1,536 on 2 cores with AVX2).
    """
    return torch.autocast(where.type, torch.bfloat16, enabled=wanted and (where.type != "cpu" or has_bfloat16()))


def collate(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Pad token id lists to one length: ids and mask, int64 [posts, tokens]."""
    width = max(map(len, rows))
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = 1
    return ids, mask


def predict_logits(
    model: Classifier, rows: Sequence[Sequence[int]], sources: Sequence[int] | None = None, batch_size: int = 64
) -> Tensor:
    """Logits float32 [posts, labels], in the order of `rows`; batches are cut from the rows by length.

    Where `sources` gives a post's source (not -1), the mean of the common head's logits and its source's, of those labels
    that the source's head learnt.
    """
    known = model.config.source_labels
    learnt = torch.tensor(
        [[label in known.get(source, ()) for label in model.config.labels] for source in model.config.sources]
    )

    def logits(features: Tensor, chosen: Sequence[int]) -> Tensor:
        common: Tensor = model.out(features).float()
        if sources is None or model.sources is None:
            return common
        own = torch.tensor([sources[i] for i in chosen])
        speaks = (learnt[own] & (own >= 0)[:, None]).to(features.device)
        both = (common + model.source_logits(features, own.to(features.device)).float()) / 2
        return torch.where(speaks, both, common)

    return _predict(model, rows, logits, (len(model.config.labels),), batch_size)


def predict_heads(model: Classifier, rows: Sequence[Sequence[int]], batch_size: int = 64) -> Tensor:
    """Logits of the common head and of that of each source, float32 [posts, 1 + sources, labels], in the order of `rows`."""
    labels, heads = len(model.config.labels), (model.out, *([model.sources] if model.sources else []))

    def logits(features: Tensor, _: Sequence[int]) -> Tensor:
        return torch.cat([head(features).float().view(len(features), -1, labels) for head in heads], dim=1)

    return _predict(model, rows, logits, (1 + len(model.config.sources), labels), batch_size)


@torch.no_grad()
def _predict(
    model: Classifier,
    rows: Sequence[Sequence[int]],
    logits: Callable[[Tensor, Sequence[int]], Tensor],
    shape: tuple[int, ...],
    batch_size: int,
) -> Tensor:
    """What `logits` makes of a batch's features and its positions in `rows`, float32 [posts, *shape]."""
    model.eval()
    where = next(model.parameters()).device
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    found = torch.zeros(len(rows), *shape)
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        ids, mask = (t.to(where) for t in collate([rows[i] for i in chosen]))
        with autocast(where):
            made = logits(model.features(model.states(ids, mask), mask), chosen)
        found[chosen] = made.cpu()
    return found


def predict(model: Classifier, rows: Sequence[Sequence[int]], batch_size: int = 64) -> Tensor:
    """Probabilities of the common head, float32 [posts, labels], in the order of `rows`."""
    return predict_logits(model, rows, batch_size=batch_size).sigmoid()
