"""Plausibility: how far the words that an explanation names are those that people marked (DeYoung et al. 2020)."""

from collections.abc import Iterable, Sequence

import numpy as np
from sklearn.metrics import average_precision_score

CUTS = tuple(round(cut, 2) for cut in np.arange(0.05, 1.0, 0.05))
"""Shares of a post's largest weight at which a token may count as named."""

Pair = tuple[Sequence[bool], Sequence[float]]
"""For each token of a post: whether people marked it, and its weight."""


def named(weights: Sequence[float], cut: float) -> list[bool]:
    """Tokens whose weight is at least `cut` of the largest; none where no weight is above 0."""
    largest = max(weights, default=0.0)
    return [0 < largest * cut <= weight for weight in weights]


def token_f1(marked: Sequence[bool], found: Sequence[bool]) -> float:
    """Harmonic mean of precision and recall over the tokens of one post; 0 where none is right."""
    right = sum(a and b for a, b in zip(marked, found, strict=True))
    return 2 * right / (sum(marked) + sum(found)) if right else 0.0


def mean_f1(pairs: Iterable[Pair], cut: float) -> float:
    """Mean over posts of their token F1."""
    return float(np.mean([token_f1(marked, named(weights, cut)) for marked, weights in pairs]))


def mean_auprc(pairs: Iterable[Pair]) -> float:
    """Mean over posts of the average precision of the weights as a ranking of the marked tokens."""
    return float(np.mean([average_precision_score(marked, weights) for marked, weights in pairs]))


def best_cut(pairs: Sequence[Pair]) -> float:
    """The cut of the highest mean F1; the middle one where several have it."""
    scores = [mean_f1(pairs, cut) for cut in CUTS]
    best = [cut for cut, score in zip(CUTS, scores, strict=True) if score == max(scores)]
    return best[len(best) // 2]
