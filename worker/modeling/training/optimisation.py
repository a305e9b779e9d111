"""Optimiser, learning-rate schedule and the order of batches."""

import random
from collections.abc import Iterator, Sequence

import torch

from worker.modeling.training.network import Classifier
from worker.modeling.training.recipe import Recipe

_SPAN = 50
"""Batches whose posts are sorted by length together."""


def build_optimiser(model: Classifier, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW; no decay of vectors; `layer_decay` per layer from the head (1) down to the embeddings."""
    layers: int = model.electra.config.num_hidden_layers  # type: ignore[union-attr, assignment]
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        decay = recipe.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((recipe.layer_decay ** (layers - _depth(name, layers)), decay), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": parameters, "weight_decay": decay, "lr": recipe.learning_rate * factor, "factor": factor}
            for (factor, decay), parameters in groups.items()
        ],
        lr=recipe.learning_rate,
        fused=True,
    )


def _depth(name: str, layers: int) -> int:
    """0 for embeddings, n for the n-th layer, and the last layer's for what reads it."""
    if name.startswith("electra.embeddings"):
        return 0
    parts = name.split(".")
    return int(parts[parts.index("layer") + 1]) + 1 if "layer" in parts else layers


def set_learning_rate(optimiser: torch.optim.Optimizer, recipe: Recipe, step: int, steps: int) -> None:
    """Linear warm-up, then linear to zero."""
    done = (step + 1) / steps
    scale = min(done / recipe.warmup if recipe.warmup else 1.0, (1 - step / steps) / (1 - recipe.warmup))
    for group in optimiser.param_groups:
        group["lr"] = recipe.learning_rate * group["factor"] * scale


def batches(
    rows: Sequence[Sequence[int]], pairs: Sequence[tuple[int, int]], recipe: Recipe, epoch: int
) -> Iterator[list[int]]:
    """Shuffled batches of posts of like length (sorted within 50 batches): half the padding, same result.

    The two of a pair stand side by side in one batch.
    """
    draw = random.Random(f"{recipe.seed}/{epoch}")
    paired = {i for pair in pairs for i in pair}
    units: list[tuple[int, ...]] = [(i,) for i in range(len(rows)) if i not in paired]
    units += _disjoint(pairs)
    units += [(i,) for i in sorted(paired.difference(i for unit in units for i in unit))]
    draw.shuffle(units)
    span = recipe.batch_size * _SPAN
    found: list[list[int]] = []
    for chunk in _chunks(units, span):
        chunk.sort(key=lambda unit: max(len(rows[i]) for i in unit))
        found += [[i for unit in group for i in unit] for group in _chunks(chunk, recipe.batch_size)]
    draw.shuffle(found)
    return iter(found)


def _disjoint(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, ...]]:
    taken: set[int] = set()
    found: list[tuple[int, ...]] = []
    for pair in pairs:
        if taken.isdisjoint(pair):
            taken.update(pair)
            found.append(pair)
    return found


def _chunks(units: Sequence[tuple[int, ...]], size: int) -> Iterator[list[tuple[int, ...]]]:
    """Units in order, cut where `size` posts are reached (a pair may exceed it by one)."""
    chunk: list[tuple[int, ...]] = []
    posts = 0
    for unit in units:
        chunk.append(unit)
        posts += len(unit)
        if posts >= size:
            yield chunk
            chunk, posts = [], 0
    if chunk:
        yield chunk
