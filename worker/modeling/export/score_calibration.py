"""Probabilities that mean what they say (Platt 1999): a slope and an intercept for each label's logit, fitted on posts' scores.

Fitted on what is served, int8 scores of whole posts, and folded into the head's weights. A post's score is the highest
of its windows' scores, and a line of positive slope keeps their order: moving every window's logit along the line moves
the post's logit along it, so that what was fitted after pooling holds when it is applied before.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from worker.modeling.evaluation.known import Known, joined, known_sets, logits_of
from worker.modeling.evaluation.scoring import ScoredSet, with_scores
from worker.modeling.training.network import Classifier

FEWEST = 30
"""Posts of either value: of fewer, the line says more about them than about the model."""


@dataclass(frozen=True, slots=True)
class Platt:
    """calibrated logit = slope * logit + intercept. slope > 0; its inverse is the temperature."""

    slope: float = 1.0
    intercept: float = 0.0


def fit_platt(sets: Sequence[ScoredSet], labels: Sequence[str]) -> tuple[tuple[Platt, ...], list[str]]:
    """The line of each label that makes its scores most probable (Platt 1999), every set with equal weight.

    A set that does not know both values of a label does not count for it. Returns the lines, and a warning for each
    label whose scores are left as they are: too few posts are known, or its scores do not rise with the truth.
    """
    lines, warnings = [], []
    for position, label in enumerate(labels):
        line, why = _line(known_sets(sets, position))
        lines.append(line)
        if why:
            warnings.append(f"{label}: scores are not calibrated: {why}")
    return tuple(lines), warnings


def calibrated(scored: ScoredSet, lines: Sequence[Platt]) -> ScoredSet:
    """The set with its scores moved along the lines."""
    logits = logits_of(np.array(scored.scores, np.float64).reshape(-1, len(lines)))
    return with_scores(scored, expit(logits * [line.slope for line in lines] + [line.intercept for line in lines]))


def fold(classifier: Classifier, lines: Sequence[Platt]) -> Classifier:
    """A copy whose logits lie on the lines: the rows of its last layer are scaled and its bias moved."""
    folded = copy.deepcopy(classifier)
    slopes = torch.tensor([line.slope for line in lines], dtype=folded.out.weight.dtype)
    with torch.no_grad():
        folded.out.weight.mul_(slopes[:, None])
        folded.out.bias.mul_(slopes).add_(torch.tensor([line.intercept for line in lines]))
    return folded


def _line(known: Sequence[Known]) -> tuple[Platt, str]:
    """The line, or the one that changes nothing and why."""
    rarer = min(sum(int((truth == value).sum()) for truth, _ in known) for value in (0, 1))
    if rarer < FEWEST:
        return Platt(), f"the halves to choose with hold {rarer} posts of its rarer value, {FEWEST} are needed"
    found = _fit(known)
    return (found, "") if found.slope > 0 else (Platt(), "its scores do not rise with the truth")


def _fit(known: Sequence[Known]) -> Platt:
    truth, scores, weights = joined(known)
    logits = logits_of(scores)
    # Platt's targets: one post more of either value, without which separable scores would ask for infinite slopes.
    positives, negatives = int(truth.sum()), int((1 - truth).sum())
    targets = np.where(truth == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(line: NDArray[np.float64]) -> float:
        moved = line[0] * logits + line[1]
        return float((weights * (np.logaddexp(0, moved) - targets * moved)).sum())

    def slope(line: NDArray[np.float64]) -> NDArray[np.float64]:
        gap = weights * (expit(line[0] * logits + line[1]) - targets)
        return np.array([(gap * logits).sum(), gap.sum()])

    found = minimize(loss, np.array([1.0, 0.0]), jac=slope, method="BFGS").x
    return Platt(float(found[0]), float(found[1]))
