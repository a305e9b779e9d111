"""Pretrain an encoder by replaced-token detection: resumable, deterministic by seed."""

import json
import shutil
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import ElectraConfig, ElectraModel

from worker.core.errors import Fatal
from worker.model.tokenizer import load_tokenizer, special_token
from worker.modeling.encoders.directories import alone, refuse_full, written_aside
from worker.modeling.encoders.vocabulary import SPECIAL, read_vocabulary, save_tokenizer, train_vocabulary
from worker.modeling.posts.texts import read_texts
from worker.modeling.pretraining.packing import Packed
from worker.modeling.pretraining.recipe import PretrainRecipe
from worker.modeling.pretraining.replaced_tokens import Outcome, ReplacedTokenDetection, choose_places
from worker.modeling.training import checkpoint
from worker.modeling.training.network import (
    autocast,
    check_vocabulary,
    device,
    encoder_digest,
    load_encoder,
    refuse_infinite,
)
from worker.text.normalise import normalise

_RECENT = 100
"""Steps over which losses and accuracy are averaged."""
_PROGRESS_SECONDS = 15.0
_MEASURES = ("generator", "discriminator", "correct", "replaced", "found")


def pretrain(recipe: PretrainRecipe, out: Path, checkpoint_seconds: float = 600.0) -> dict[str, Any]:
    """Write an encoder directory with tokenizer.json and pretrain.json to `out`; return what pretrain.json says.

    A run that is stopped goes on from its last checkpoint in `<out>.run`, with the same result on a CPU as if it had
    not been. Raises Fatal where the recipe cannot be followed or the checkpoint belongs to another one.
    """
    recipe.check()
    refuse_full(out)
    run = out.absolute().with_name(out.absolute().name + ".run")
    with alone(run):
        try:
            tokenizer_file = _tokenizer_file(recipe, run)
        except OSError as error:
            raise Fatal(f"{run}: cannot be written: {error}") from error
        tokenizer = load_tokenizer(tokenizer_file)
        packed = Packed(tokenizer, _texts(recipe), recipe.max_length)
        torch.manual_seed(recipe.seed)
        encoder = _encoder(recipe, tokenizer)
        report = _Run(recipe, encoder, tokenizer, packed, run / "checkpoint.pt").go(checkpoint_seconds)
        with written_aside(out) as folder:
            config = encoder.config
            config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.1  # fine-tuning's choice
            encoder.save_pretrained(folder)
            shutil.copyfile(tokenizer_file, folder / "tokenizer.json")
            (folder / "pretrain.json").write_text(json.dumps(report, indent=2) + "\n")
        shutil.rmtree(run)
    return report


class _Run:
    """The loop and its state."""

    def __init__(
        self, recipe: PretrainRecipe, encoder: ElectraModel, tokenizer: Tokenizer, packed: Packed, path: Path
    ) -> None:
        self.recipe, self.packed, self.path = recipe, packed, path
        self.device = device()
        self.model = ReplacedTokenDetection(encoder).to(self.device).train()
        self.mask = special_token(tokenizer, "[MASK]")
        self.special = torch.tensor([special_token(tokenizer, token) for token in SPECIAL], device=self.device)
        matrices = [p for p in self.model.parameters() if p.ndim > 1]
        vectors = [p for p in self.model.parameters() if p.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, eps=1e-6, fused=True)
        self.identity = {**asdict(recipe), "tokens_sha256": packed.digest()}
        if recipe.encoder:
            self.identity["encoder_sha256"] = encoder_digest(Path(recipe.encoder))
        self.step, self.seconds = 0, 0.0
        self.recent: deque[list[float]] = deque(maxlen=_RECENT)

    def go(self, checkpoint_seconds: float) -> dict[str, Any]:
        """Take steps until the budget is spent; return the report."""
        self._resume()
        began = told = saved = time.monotonic()
        before, first = self.seconds, self.step
        while self._done() < 1:
            self._take_step()
            now = time.monotonic()
            self.seconds = before + now - began
            if now - told > _PROGRESS_SECONDS or self._done() >= 1:
                told = now
                print(self._progress((now - began) / (self.step - first)), flush=True)
            if now - saved > checkpoint_seconds:
                saved = now
                self._save()
        self._save()  # the disk may be full when the encoder is written
        return {
            "recipe": asdict(self.recipe),
            "tokens": self.packed.tokens,
            "sequences": self.packed.count,
            "steps": self.step,
            "epochs": round(self.step * self.recipe.batch_size / self.packed.count, 3),
            "seconds": round(self.seconds),
            "device": str(self.device),
            "last_steps": self._averages(),
        }

    def _take_step(self) -> None:
        recipe = self.recipe
        torch.manual_seed(recipe.seed * 1_000_003 + self.step)  # on every device: no random state to keep
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.learning_rate * _schedule(self._done(), recipe.warmup, self.step)
        batch = torch.from_numpy(self.packed.batch(self.step, recipe.batch_size, recipe.seed))
        ids = batch.to(self.device)
        with autocast(self.device, recipe.bf16):
            outcome: Outcome = self.model(ids, choose_places(ids, self.special, recipe.masked), self.mask)
        refuse_infinite(outcome.loss, self.step)
        self.optimizer.zero_grad()
        outcome.loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        self.recent.append(torch.stack([getattr(outcome, name).detach() for name in _MEASURES]).tolist())

    def _done(self) -> float:
        """Share of the budget that is spent."""
        if self.recipe.steps is not None:
            return self.step / self.recipe.steps
        return self.seconds / ((self.recipe.minutes or 0) * 60)

    def _averages(self) -> dict[str, float]:
        columns = zip(*self.recent, strict=True)
        return {name: round(sum(c) / len(c), 5) for name, c in zip(_MEASURES, columns, strict=True)}

    def _progress(self, pace: float) -> str:
        now = self._averages()
        left = self.seconds / self._done() - self.seconds
        of = f"/{self.recipe.steps}" if self.recipe.steps is not None else ""
        return (
            f"step {self.step}{of}: {self.recipe.batch_size * self.recipe.max_length / pace:,.0f} tokens/s, "
            f"loss of generator {now['generator']:.2f} and discriminator {now['discriminator']:.4f}, "
            f"accuracy {now['correct']:.4f} ({now['replaced']:.1%} replaced, {now['found']:.0%} of them found), "
            f"{left / 60:.1f} min left"
        )

    def _resume(self) -> None:
        state = checkpoint.load(self.path, self.identity)
        if state is None:
            return
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.recent.extend(state["recent"])
        print(f"resuming at step {self.step} from {self.path}", flush=True)

    def _save(self) -> None:
        state: dict[str, Any] = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        state |= {"step": self.step, "seconds": self.seconds, "recent": list(self.recent)}
        checkpoint.save(self.path, self.identity, state)


def _schedule(done: float, warmup: float, step: int) -> float:
    """Linear warm-up, then linear to zero; `done` is the share of the budget spent. Never nought at the first step."""
    if done < warmup:
        return max(done / warmup, 1 / (step + 100))
    return (1 - done) / (1 - warmup)


def _tokenizer_file(recipe: PretrainRecipe, run: Path) -> Path:
    """The tokenizer.json to use; a trained one is kept with the run."""
    if recipe.encoder:
        return Path(recipe.encoder) / "tokenizer.json"
    file = run / "tokenizer.json"
    if recipe.vocabulary:
        save_tokenizer(read_vocabulary(Path(recipe.vocabulary), recipe.cased), file)
    elif not file.exists() or not (run / "checkpoint.pt").exists():
        save_tokenizer(train_vocabulary(lambda: _texts(recipe), recipe.train_vocabulary or 0, recipe.cased), file)
    return file


def _texts(recipe: PretrainRecipe) -> Iterator[str]:
    return (normalise(text, recipe.normalisation).text for text in read_texts(map(Path, recipe.texts)))


def _encoder(recipe: PretrainRecipe, tokenizer: Tokenizer) -> ElectraModel:
    if recipe.encoder:
        encoder = load_encoder(Path(recipe.encoder), recipe.dropout, recipe.dropout)
        check_vocabulary(encoder.config, tokenizer, Path(recipe.encoder))
    else:
        shape = recipe.shape
        if shape.hidden % shape.heads:
            raise Fatal(f"pretrain: --heads {shape.heads} do not divide --hidden {shape.hidden}")
        config = ElectraConfig(
            vocab_size=max(tokenizer.get_vocab().values()) + 1,
            embedding_size=shape.embedding,
            hidden_size=shape.hidden,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            intermediate_size=shape.intermediate,
            max_position_embeddings=shape.positions,
            hidden_dropout_prob=recipe.dropout,
            attention_probs_dropout_prob=recipe.dropout,
            attn_implementation="eager",  # type: ignore[call-arg]  # as load_encoder; not in its signature
        )
        encoder = ElectraModel(config)
    if recipe.max_length > encoder.config.max_position_embeddings:
        raise Fatal(
            f"pretrain: --max-length {recipe.max_length}: the encoder has {encoder.config.max_position_embeddings} positions"
        )
    return encoder
