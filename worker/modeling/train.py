"""Fine-tune an encoder to a classifier: masked binary cross-entropy, resumable, deterministic by seed."""

import json
import math
import random
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from sklearn.metrics import roc_auc_score
from tokenizers import Tokenizer
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import ElectraModel

from worker.core.errors import Fatal
from worker.model.tokenizer import load_tokenizer
from worker.modeling.examples import Example, read_examples, tokenise
from worker.modeling.network import Classifier, ClassifierConfig, collate, predict


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the result of a run; a checkpoint of another recipe is refused."""

    encoder: str
    train: tuple[str, ...]
    labels: tuple[str, ...] = ("hate", "offensive")
    epochs: int = 2
    learning_rate: float = 1e-4
    batch_size: int = 32
    max_length: int = 128
    dropout: float = 0.3
    weight_decay: float = 0.01
    warmup: float = 0.06
    seed: int = 0


def train(recipe: Recipe, dev: Sequence[Path], out: Path, checkpoint_seconds: float = 600.0) -> dict[str, Any]:
    """Train, writing `out` at the end and `out/checkpoint.pt` on the way; a second call goes on from there.

    Returns (and writes to `out/metrics.json`) AUROC for each dev file and label, after each epoch.
    """
    torch.manual_seed(recipe.seed)
    tokenizer_file = Path(recipe.encoder) / "tokenizer.json"
    tokenizer = load_tokenizer(tokenizer_file)
    rows, targets, known = _read_posts(recipe, tokenizer)
    dev_sets = {path.name: read_examples(path, recipe.labels) for path in dev}
    dev_rows = {name: tokenise(tokenizer, found, recipe.max_length) for name, found in dev_sets.items()}

    encoder = ElectraModel.from_pretrained(recipe.encoder)
    config = ClassifierConfig(recipe.labels, recipe.max_length)
    model = Classifier(encoder, config, recipe.dropout)
    optimizer = _optimizer(model, recipe)
    steps = recipe.epochs * math.ceil(len(rows) / recipe.batch_size)
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = out / "checkpoint.pt"
    step, history = _resume(checkpoint, recipe, model, optimizer)
    started = saved = time.monotonic()
    first, tokens = step, 0

    for epoch in range(recipe.epochs):
        model.train()
        for number, batch in enumerate(_batches(rows, recipe, epoch)):
            position = epoch * math.ceil(len(rows) / recipe.batch_size) + number
            if position < step:
                continue
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate * _schedule(step, steps, recipe.warmup)
            loss = _loss(model, [rows[i] for i in batch], targets[batch], known[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step += 1
            tokens += sum(len(rows[i]) for i in batch)
            now = time.monotonic()
            if step % 100 == 0:
                left = (now - started) / (step - first) * (steps - step)
                rate = tokens / (now - started)
                print(
                    f"step {step}/{steps} loss {loss.item():.3f} {rate:,.0f} tokens/s, {left / 60:.0f} min left",
                    flush=True,
                )
            if now - saved > checkpoint_seconds:
                _save(checkpoint, recipe, model, optimizer, step, history)
                saved = now
        if len(history) <= epoch:
            scores = {name: _auroc(model, dev_sets[name], dev_rows[name]) for name in dev_sets}
            history.append(scores)
            print(f"epoch {epoch + 1}: {json.dumps(scores)}", flush=True)
            _save(checkpoint, recipe, model, optimizer, step, history)

    model.save(out)
    shutil.copy(tokenizer_file, out / "tokenizer.json")
    metrics = {"recipe": asdict(recipe), "posts": len(rows), "epochs": history}
    (out / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    return metrics


def _read_posts(recipe: Recipe, tokenizer: Tokenizer) -> tuple[list[list[int]], torch.Tensor, torch.Tensor]:
    """Token ids; targets and whether they are known, float32 [posts, labels]."""
    examples = [e for name in recipe.train for e in read_examples(Path(name), recipe.labels)]
    if not examples:
        raise Fatal("training data: the files given to --train hold no posts")
    targets = torch.tensor([[v or 0.0 for v in e.labels] for e in examples])
    known = torch.tensor([[float(v is not None) for v in e.labels] for e in examples])
    return tokenise(tokenizer, examples, recipe.max_length), targets, known


def _optimizer(model: Classifier, recipe: Recipe) -> torch.optim.Optimizer:
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": recipe.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate)


def _schedule(step: int, steps: int, warmup: float) -> float:
    """Linear warm-up, then linear to zero."""
    done = (step + 1) / steps
    return min(done / warmup, (1 - step / steps) / (1 - warmup))


def _batches(rows: Sequence[Sequence[int]], recipe: Recipe, epoch: int) -> Iterator[list[int]]:
    """Shuffled batches of posts of like length (sorted within 50 batches): half the padding, same result."""
    order = random.Random(f"{recipe.seed}/{epoch}")
    indices = list(range(len(rows)))
    order.shuffle(indices)
    span = recipe.batch_size * 50
    batches = []
    for start in range(0, len(indices), span):
        chunk = sorted(indices[start : start + span], key=lambda i: len(rows[i]))
        batches += [chunk[i : i + recipe.batch_size] for i in range(0, len(chunk), recipe.batch_size)]
    order.shuffle(batches)
    return iter(batches)


def _loss(model: Classifier, rows: Sequence[Sequence[int]], targets: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(*collate(rows))
    losses = binary_cross_entropy_with_logits(logits.float(), targets, reduction="none") * known
    return losses.sum() / known.sum().clamp(min=1)


def _auroc(model: Classifier, examples: Sequence[Example], rows: Sequence[Sequence[int]]) -> dict[str, float]:
    scores = predict(model, rows)
    found = {}
    for k, label in enumerate(model.config.labels):
        chosen = [i for i, e in enumerate(examples) if e.labels[k] is not None]
        if chosen:
            truth = [examples[i].labels[k] for i in chosen]
            found[label] = round(float(roc_auc_score(truth, scores[chosen, k].numpy())), 4)
    return found


def _resume(
    path: Path, recipe: Recipe, model: Classifier, optimizer: torch.optim.Optimizer
) -> tuple[int, list[dict[str, Any]]]:
    if not path.exists():
        return 0, []
    state = torch.load(path, weights_only=True)
    if state["recipe"] != json.dumps(asdict(recipe)):
        raise Fatal(f"{path}: belongs to a run with another recipe; remove it or choose another --out")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["rng"])
    print(f"resuming at step {state['step']} from {path}", flush=True)
    return state["step"], json.loads(state["history"])


def _save(
    path: Path,
    recipe: Recipe,
    model: Classifier,
    optimizer: torch.optim.Optimizer,
    step: int,
    history: list[dict[str, Any]],
) -> None:
    state = {
        "recipe": json.dumps(asdict(recipe)),
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "rng": torch.get_rng_state(),
        "step": step,
        "history": json.dumps(history),
    }
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)  # a run killed here goes on from the older checkpoint
