"""The losses of fine-tuning: each a mean over what it knows, each with a weight in the recipe."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss, normalize

from worker.modeling.training.network import Classifier, autocast, collate
from worker.modeling.training.recipe import Recipe
from worker.modeling.training.training_set import TrainingSet


class Loss:
    """The loss of one batch, by the recipe."""

    def __init__(self, model: Classifier, data: TrainingSet, recipe: Recipe, teacher: Classifier | None) -> None:
        self._model = model
        self._data = data
        self._recipe = recipe
        self._teacher = teacher

    def __call__(self, batch: Sequence[int]) -> Tensor:
        """Return the mean loss of the posts at these positions of the training set, a scalar."""
        model, data, recipe = self._model, self._data, self._recipe
        where = next(model.parameters()).device
        ids, mask = (t.to(where) for t in collate([data.rows[i] for i in batch]))
        chosen = torch.tensor(batch)
        with autocast(where):
            states = model.states(ids, mask)
            whole = model.features(states, mask)
            features = model.dropout(whole)
            logits = model.out(features).float()
            offsets = data.offsets[chosen].to(where)
            loss = _mean(logits + offsets, data.targets[chosen].to(where), data.weights[chosen].to(where))
            if model.sources is not None:
                own = model.source_logits(features, data.source[chosen].to(where)).float()
                labelled = data.known[chosen] * (data.source[chosen] >= 0)[:, None]
                loss = loss + recipe.source_heads * _mean(
                    own + offsets, data.labels[chosen].to(where), labelled.to(where)
                )
            if recipe.pair_weight:
                loss = loss + recipe.pair_weight * self._margin(batch, logits)
            if recipe.explanation_weight:
                loss = loss + recipe.explanation_weight * self._contribution(batch, whole)
            if self._teacher is not None:
                loss = loss + recipe.hidden_weight * self._distance(states[:, 0], ids, mask)
        return loss

    def _margin(self, batch: Sequence[int], logits: Tensor) -> Tensor:
        """How far the first label's logits of twins are from being `pair_margin` apart."""
        place = {i: k for k, i in enumerate(batch)}
        found = [(place[a], place[b]) for a, b in self._twins(batch)]
        if not found:
            return logits.new_zeros(())
        high, low = (logits[list(side), 0] for side in zip(*found, strict=True))
        distance: Tensor = (self._recipe.pair_margin - (high - low)).relu().mean()
        return distance

    def _twins(self, batch: Sequence[int]) -> list[tuple[int, int]]:
        inside = set(batch)
        return [pair for i in batch for pair in self._data.twins.get(i, ()) if inside.issuperset(pair)]

    def _contribution(self, batch: Sequence[int], features: Tensor) -> Tensor:
        """Mean square of what identity terms add to the logits: with them less without them (occlusion).

        Without dropout before the last layer: two draws of it differ by themselves, whatever the words.
        """
        model = self._model
        without = [(k, left) for k, i in enumerate(batch) if (left := self._data.occluded.get(i)) is not None]
        if not without:
            return features.new_zeros(())
        ids, mask = (t.to(features.device) for t in collate([left for _, left in without]))
        occluded = model.features(model.states(ids, mask), mask)
        added = model.out(features[[k for k, _ in without]]).float() - model.out(occluded).float()
        contribution: Tensor = added.square().mean()
        return contribution

    def _distance(self, cls: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """Mean squared difference of the posts' cosine similarities, student's and teacher's.

        Similarity-preserving distillation (Tung and Mori 2019): it compares encoders of any two widths.
        """
        assert self._teacher is not None  # noqa: S101 - the caller asked
        with torch.no_grad():
            theirs = self._teacher.states(ids, mask)[:, 0]
        return mse_loss(_similarities(cls), _similarities(theirs))


def _similarities(vectors: Tensor) -> Tensor:
    unit = normalize(vectors.float(), dim=1)
    found: Tensor = unit @ unit.T
    return found


def _mean(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    losses = binary_cross_entropy_with_logits(logits, targets, reduction="none") * weights
    return losses.sum() / weights.sum().clamp(min=1e-6)
