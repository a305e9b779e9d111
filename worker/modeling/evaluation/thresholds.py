"""Thresholds chosen on development posts, and the policy version that follows from them."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.model.manifest import BundlePolicy, Thresholds
from worker.modeling.evaluation.known import Known, known_sets
from worker.modeling.evaluation.scoring import ScoredSet

GRID = [round(0.02 + 0.01 * step, 2) for step in range(96)]
"""Two decimals: a finer threshold would claim more than a few thousand posts can tell."""
TIE = 0.005
"""Mean balanced accuracies this close are equal. The curve of the bundle of version 1.0.0 for `hate` is flat, 0.748 at
0.28, 0.747 at 0.40, 0.745 at 0.50: resampling its 7,898 development posts (300 times) moves the best point by 0.085
(standard deviation), the middle of the unbroken run around it by 0.081, the candidate chosen here by 0.055; for
`offensive`, whose curve has a peak, by 0.035, 0.032 and 0.033. Too small, and the threshold is noise; too large, and
it leaves a real peak."""
BLOCK_PRECISION = 0.9
BLOCK_POSTS = 50
"""Fewer posts over a threshold say little about its precision."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a threshold does to posts, every file with equal weight; precision is None where it flags nothing."""

    precision: float | None
    recall: float
    flagged: float


def choose_policy(sets: Sequence[ScoredSet], labels: Sequence[str], may_block: Sequence[str]) -> BundlePolicy:
    """A threshold for each label.

    review: the highest balanced accuracy, averaged over the sets that know both values of the label, so that a
    large set, or one with few positives, does not decide alone; where the curve is flat the middle of the plateau
    (see `middle_of_plateau`); 0.5 where no set knows both. block, for labels in `may_block` only: the lowest
    threshold from review upwards at which, in every set's posts taken together with equal weight, precision reaches
    0.9; null where none does.
    """
    thresholds = {}
    for position, label in enumerate(labels):
        known = known_sets(sets, position)
        review = _review(known)
        thresholds[label] = Thresholds(review=review, block=_block(known, review) if label in may_block else None)
    return BundlePolicy(version=policy_version(thresholds), thresholds=thresholds)


def policy_version(thresholds: dict[str, Thresholds]) -> str:
    """A name that changes when, and only when, a threshold does."""
    content = {label: [chosen.review, chosen.block] for label, chosen in sorted(thresholds.items())}
    return "t-" + hashlib.sha256(json.dumps(content).encode()).hexdigest()[:10]


def balanced_accuracy(truth: NDArray[Any], flagged: NDArray[Any]) -> float:
    """Mean of the shares of positives flagged and of negatives not flagged."""
    return float((flagged[truth == 1].mean() + (~flagged[truth == 0]).mean()) / 2)


def middle_of_plateau(values: Sequence[float]) -> int:
    """Index of the value that is within TIE of the highest and nearest the middle of all such values.

    The middle lies halfway between the first and the last of them, whatever lies between: a small dip, which is mostly
    noise, moves it little. Of two as near the lower, so that in doubt somebody looks at the post.
    """
    tied = np.flatnonzero(np.asarray(values) >= max(values) - TIE)
    return int(tied[np.abs(2 * tied - (tied[0] + tied[-1])).argmin()])


def effect(known: Sequence[Known], threshold: float) -> Effect:
    """Precision, recall and share flagged at a threshold, every set with equal weight."""
    flags = [(truth == 1, scores >= threshold) for truth, scores in known]
    right = sum(float((truth & flagged).mean()) for truth, flagged in flags)
    over = sum(float(flagged.mean()) for _, flagged in flags)
    positive = sum(float(truth.mean()) for truth, _ in flags)
    return Effect(right / over if over else None, right / positive, over / len(flags))


def precisions(known: Sequence[Known]) -> Iterator[tuple[float, float]]:
    """Thresholds that flag BLOCK_POSTS posts at least, ascending, each with its precision."""
    for threshold in GRID if known else ():
        precision = effect(known, threshold).precision
        if precision is not None and sum(int((scores >= threshold).sum()) for _, scores in known) >= BLOCK_POSTS:
            yield threshold, precision


def _review(known: Sequence[Known]) -> float:
    if not known:
        return 0.5
    means = [float(np.mean([balanced_accuracy(truth, scores >= t) for truth, scores in known])) for t in GRID]
    return GRID[middle_of_plateau(means)]


def _block(known: Sequence[Known], review: float) -> float | None:
    found = (at for at, precision in precisions(known) if at >= review and precision >= BLOCK_PRECISION)
    return next(found, None)
