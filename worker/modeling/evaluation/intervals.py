"""How sure a figure is: intervals by resampling the posts."""

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
_AT_A_TIME = 50
"""Resamples held in memory together: 50 of 3,000 posts are 1 MB."""


def auroc_interval(
    truth: NDArray[np.int64], scores: NDArray[np.float64], resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """95 % percentile interval of the area under the ROC curve (Efron 1979), the same for the same seed.

    `truth` holds both values, 0 and 1. Ties count half. Resamples that drew one value only are left out.
    """
    draw = np.random.default_rng(seed)
    order = np.argsort(scores, kind="stable")
    _, starts = np.unique(scores[order], return_index=True)
    positive = truth[order] == 1
    share = np.full(len(truth), 1 / len(truth))
    areas: list[float] = []
    for start in range(0, resamples, _AT_A_TIME):
        # How often each post was drawn is all that matters of a resample.
        drawn = draw.multinomial(len(truth), share, size=min(_AT_A_TIME, resamples - start))
        positives = np.add.reduceat(drawn * positive, starts, axis=1)
        negatives = np.add.reduceat(drawn * ~positive, starts, axis=1)
        below = np.cumsum(negatives, axis=1) - negatives
        right = (positives * (below + negatives / 2)).sum(axis=1)
        pairs = positives.sum(axis=1) * negatives.sum(axis=1)
        areas += (right[pairs > 0] / pairs[pairs > 0]).tolist()
    low, high = np.quantile(areas, [0.025, 0.975])
    return float(low), float(high)
