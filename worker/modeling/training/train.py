"""Fine-tune an encoder to a classifier: resumable, deterministic by seed."""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from worker.core.errors import Fatal
from worker.model.tokenizer import load_tokenizer
from worker.modeling.encoders.directories import alone
from worker.modeling.posts.examples import read_examples
from worker.modeling.posts.halves import HALVES, Half
from worker.modeling.training import checkpoint
from worker.modeling.training.config import ClassifierConfig
from worker.modeling.training.dev_sets import DevSet, refuse_undecided
from worker.modeling.training.losses import Loss
from worker.modeling.training.network import Classifier, check_vocabulary, device, load_encoder, refuse_infinite
from worker.modeling.training.optimisation import batches, build_optimiser, set_learning_rate
from worker.modeling.training.recipe import Recipe
from worker.modeling.training.training_set import TrainingSet, read_training_set
from worker.modeling.writing import write_text

PROGRESS_STEPS = 100
Metrics = dict[str, Any]
Report = Callable[[Sequence[Metrics]], None]
"""Called after each epoch with the metrics of all so far, those before an interruption too; raise to stop."""


def train(
    recipe: Recipe,
    dev: Sequence[Path],
    out: Path,
    checkpoint_seconds: float = 600.0,
    report: Report = lambda _history: None,
    halves: Sequence[Half] = HALVES,
) -> Metrics:
    """Train, writing `out` at the end and `out/checkpoint.pt` on the way; a second call goes on from there.

    Returns (and writes to `out/metrics.json`) AUROC of each dev file and label after each epoch, for `halves` of
    the file: `selection` decides about stopping, `report` about nothing. Posts that a dev file holds too are not trained
    on. Raises Fatal for what cannot be trained on, and where `out` cannot be written or holds another run.
    """
    check(recipe, dev)
    with alone(out):
        torch.manual_seed(recipe.seed)
        tokenizer = load_tokenizer(Path(recipe.encoder) / "tokenizer.json")
        data = read_training_set(recipe, tokenizer, dev)
        run = _Run(recipe, data, tokenizer, dev, out, halves)
        run.resume()
        run.train(checkpoint_seconds, report)
        return run.finish()


def check(recipe: Recipe, dev: Sequence[Path]) -> None:
    """Raise Fatal where no training could follow `recipe`, as far as that can be told without its posts."""
    recipe.check(dev)
    if recipe.patience:
        refuse_undecided(dev, recipe.labels)
    for path in dev:
        read_examples(path, recipe.labels)
    encoder = Path(recipe.encoder)
    tokenizer = load_tokenizer(encoder / "tokenizer.json")
    _check_encoder(load_encoder(encoder).config, tokenizer, recipe, encoder)
    _teacher(recipe, tokenizer)


def kept_epoch(history: Sequence[Metrics], recipe: Recipe) -> Metrics:
    """What was measured of the weights that are kept after these epochs: of the best with `patience`, else of the last."""
    return max(history, key=lambda epoch: epoch["mean"] or 0.0) if recipe.patience else history[-1]


class _Run:
    """What changes while training: weights, optimiser, step, history."""

    def __init__(
        self,
        recipe: Recipe,
        data: TrainingSet,
        tokenizer: Tokenizer,
        dev: Sequence[Path],
        out: Path,
        halves: Sequence[Half],
    ) -> None:
        self.recipe, self.data, self.out, self.halves = recipe, data, out, halves
        self.dev = [DevSet(path, recipe, tokenizer) for path in dev]
        encoder = load_encoder(Path(recipe.encoder), recipe.encoder_dropout)
        measured = {"dev": [path.name for path in dev], "dev_sha256": [dev.digest for dev in self.dev]}
        self.identity = {**asdict(recipe), **recipe.digests(), "posts_sha256": data.digest, **measured}
        taught = data.labels_of_sources(recipe.labels) if recipe.source_heads else {}
        config = ClassifierConfig(
            recipe.labels,
            recipe.max_length,
            head=recipe.head,
            sources=tuple(taught),
            source_labels=taught,
            fold=data.fold,
            normalisation=recipe.normalisation,
        )
        self.model = Classifier(encoder, config, recipe.dropout).to(device())
        self.average = _average(self.model, recipe)
        self.optimiser = build_optimiser(self.model, recipe)
        self.loss = Loss(self.model, data, recipe, _teacher(recipe, tokenizer))
        self.steps = sum(1 for epoch in range(recipe.epochs) for _ in batches(data.rows, data.pairs, recipe, epoch))
        _warn_of_average(recipe, self.steps)
        self.step = 0
        self.begun = 0
        self.history: list[Metrics] = []

    def resume(self) -> None:
        state = checkpoint.load(self.out / "checkpoint.pt", self.identity, asdict(Recipe(encoder="", train=())))
        try:
            (self.out / "metrics.json").unlink(missing_ok=True)  # it says that a run is finished
        except OSError as error:
            raise Fatal(f"--out {self.out}: cannot be written: {error}") from error
        if state is None:
            return
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.step, self.begun, self.history = state["step"], state["begun"], json.loads(state["history"])
        print(f"resuming at step {self.step} from {self.out / 'checkpoint.pt'}", flush=True)

    def train(self, checkpoint_seconds: float, report: Report) -> None:
        progress = _Progress(self.steps, self.step)
        saved = time.monotonic()
        while len(self.history) < self.recipe.epochs:
            if self._stopped():
                print(f"no better for {self.recipe.patience} epochs: stopping", flush=True)
                break
            order = batches(self.data.rows, self.data.pairs, self.recipe, len(self.history))
            for batch in islice(order, self.step - self.begun, None):
                progress.add(self.step + 1, self._learn(batch), sum(len(self.data.rows[i]) for i in batch))
                if time.monotonic() - saved > checkpoint_seconds:
                    self._save()
                    saved = time.monotonic()
            self._end_epoch()
            report(self.history)

    def _learn(self, batch: Sequence[int]) -> torch.Tensor:
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.step)  # on every device: no random state to keep
        self.model.train()
        set_learning_rate(self.optimiser, self.recipe, self.step, self.steps)
        loss = self.loss(batch)
        refuse_infinite(loss, self.step)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        if self.average is not None:
            self.average.update_parameters(self.model)
        self.step += 1
        return loss.detach()

    def _end_epoch(self) -> None:
        model = self._kept()
        found: Metrics = {half: {d.name: d.auroc(model, half) for d in self.dev} for half in self.halves}
        values = [v for scores in found["selection"].values() for v in scores.values()]
        mean = sum(values) / len(values) if values else None
        self.history.append({"mean": mean, **found})
        self.begun = self.step
        print(f"epoch {len(self.history)}: mean {mean} {json.dumps(found)}", flush=True)
        if self.recipe.patience and self._best() == len(self.history) - 1:
            checkpoint.write(self.out / "best.pt", model.state_dict())
        self._save()

    def _best(self) -> int:
        means = [m["mean"] if m["mean"] is not None else 0.0 for m in self.history]
        return means.index(max(means))

    def _stopped(self) -> bool:
        return bool(self.recipe.patience and self.history) and self._age() >= self.recipe.patience

    def _age(self) -> int:
        return len(self.history) - 1 - self._best()

    def _kept(self) -> Classifier:
        return self.model if self.average is None else self.average.module  # type: ignore[return-value]

    def _save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "begun": self.begun,
            "history": json.dumps(self.history),
        }
        if self.average is not None:
            state["average"] = self.average.state_dict()
        checkpoint.save(self.out / "checkpoint.pt", self.identity, state)

    def finish(self) -> Metrics:
        model = self._kept()
        if self.recipe.patience and self.history:
            best = checkpoint.read(self.out / "best.pt", "remove checkpoint.pt beside it to start anew")
            model.load_state_dict(best)
        model.save(self.out, Path(self.recipe.encoder) / "tokenizer.json")
        metrics = {
            "recipe": asdict(self.recipe),
            "encoder_sha256": self.identity["encoder_sha256"],
            "posts": len(self.data.rows),
            "epochs": self.history,
        }
        write_text(self.out / "metrics.json", json.dumps(metrics, indent=2) + "\n")
        return metrics


class _Progress:
    """A line now and then: loss, rate, time left."""

    def __init__(self, steps: int, first: int) -> None:
        self._steps, self._first = steps, first
        self._started = time.monotonic()
        self._tokens = 0
        self._loss = 0.0

    def add(self, step: int, loss: torch.Tensor, tokens: int) -> None:
        self._tokens += tokens
        self._loss += float(loss)
        if step % PROGRESS_STEPS == 0:
            spent = time.monotonic() - self._started
            left = spent / (step - self._first) * (self._steps - step)
            mean = self._loss / min(PROGRESS_STEPS, step - self._first)
            rate = self._tokens / spent
            print(
                f"step {step}/{self._steps} loss {mean:.3f}, {rate:,.0f} tokens/s, {left / 60:.0f} min left", flush=True
            )
            self._loss = 0.0


def _warn_of_average(recipe: Recipe, steps: int) -> None:
    if (share := recipe.average**steps) > 0.1:
        print(
            f"--average {recipe.average}: after {steps} steps, {share:.0%} of the mean are the weights of the first: "
            f"{math.floor(0.1 ** (1 / steps) * 1e5) / 1e5} would leave a tenth",
            flush=True,
        )


def _average(model: Classifier, recipe: Recipe) -> AveragedModel | None:
    if not recipe.average:
        return None
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(recipe.average))  # type: ignore[no-untyped-call]


def _teacher(recipe: Recipe, tokenizer: Tokenizer) -> Classifier | None:
    """The teacher of hidden states. It reads the student's token ids: they must mean the same to it."""
    if recipe.hidden_teacher is None or not recipe.hidden_weight:
        return None
    path = Path(recipe.hidden_teacher)
    teacher = Classifier.load(path).to(device())
    if not _pieces(tokenizer).items() <= _pieces(load_tokenizer(path / "tokenizer.json")).items():
        raise Fatal(
            f"--hidden-weight: {path} has another vocabulary than {recipe.encoder}, so their hidden states are of "
            "different tokens: leave the option out, scores alone are compared by any two"
        )
    _check_encoder(teacher.electra.config, tokenizer, recipe, path)
    return teacher.requires_grad_(False)


def _check_encoder(config: Any, tokenizer: Tokenizer, recipe: Recipe, path: Path) -> None:
    check_vocabulary(config, tokenizer, path)
    if recipe.max_length > config.max_position_embeddings:
        raise Fatal(f"--max-length {recipe.max_length}: {path} has {config.max_position_embeddings} positions")


def _pieces(tokenizer: Tokenizer) -> dict[str, int]:
    found: dict[str, int] = tokenizer.get_vocab(with_added_tokens=True)
    return found
