"""Temperature scaling, to see how much of a model's calibration error one number for each label would mend."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit

from worker.modeling.evaluation.known import known_sets, logits_of
from worker.modeling.evaluation.scoring import ScoredSet, of_half, with_scores
from worker.modeling.posts.halves import HALVES, Half, half_of, other_half


def fit_temperature(sets: Sequence[ScoredSet], position: int) -> float:
    """The temperature that makes the scores of a label most probable (Guo et al. 2017), every set with equal weight.

    Sets that do not know both values do not count; 1 where none does. Between 1/20 and 20.
    """
    known = known_sets(sets, position)
    if not known:
        return 1.0
    logits = [(truth, logits_of(scores)) for truth, scores in known]

    def loss(log_temperature: float) -> float:
        scale = np.exp(-log_temperature)
        return float(sum((np.logaddexp(0, x * scale) - truth * x * scale).mean() for truth, x in logits))

    return float(np.exp(minimize_scalar(loss, bounds=(-np.log(20), np.log(20)), method="bounded").x))


def fit_by_half(sets: Sequence[ScoredSet], labels: int) -> dict[Half, list[float]]:
    """For the posts of each half the temperature of each label, fitted on the other half of all sets."""
    return {
        half: [fit_temperature([of_half(each, other_half(half)) for each in sets], k) for k in range(labels)]
        for half in HALVES
    }


def scale(scored: ScoredSet, temperatures: dict[Half, list[float]]) -> ScoredSet:
    """The set with each post's scores scaled by the temperatures of its half."""
    by_post = np.array([temperatures[half_of(example.id)] for example in scored.examples])
    return with_scores(scored, expit(logits_of(np.array(scored.scores, np.float64)) / by_post))
