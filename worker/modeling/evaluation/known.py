"""What is known of a label: truth, scores, and their logits."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from worker.modeling.evaluation.scoring import ScoredSet

Known = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Truth (0 or 1) and scores of posts."""
_NEAREST = 1e-7
"""Probabilities are taken to lie this far from 0 and 1: float32 holds none between 1 - 6e-8 and 1."""


def known_scores(scored: ScoredSet, position: int) -> Known:
    """Of the posts whose label at `position` is known."""
    rows = [
        (int(value >= 0.5), scores[position])  # a soft label counts as the likelier value
        for example, scores in zip(scored.examples, scored.scores, strict=True)
        if (value := example.labels[position]) is not None
    ]
    return np.array([truth for truth, _ in rows], np.int64), np.array([score for _, score in rows], np.float64)


def known_sets(sets: Sequence[ScoredSet], position: int) -> list[Known]:
    """Of the sets that know both values of a label."""
    return [found for found in (known_scores(each, position) for each in sets) if len(set(found[0].tolist())) > 1]


def joined(known: Sequence[Known]) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Truth, scores and weights of all posts; the weights of each set sum to the same, those of all to 1."""
    weights = [np.full(len(truth), 1 / (len(truth) * len(known))) for truth, _ in known]
    return np.concatenate([t for t, _ in known]), np.concatenate([s for _, s in known]), np.concatenate(weights)


def logits_of(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Finite ones, also of 0 and 1."""
    found: NDArray[np.float64] = logit(np.clip(scores, _NEAREST, 1 - _NEAREST))
    return found
