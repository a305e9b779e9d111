"""Whether posts that name a group are judged as well as the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from worker.core.policy import Threshold
from worker.modeling.evaluation.scoring import ScoredSet
from worker.modeling.posts.subgroups import TERMS, groups_in

FEWEST = 20
"""Positives and negatives of a group under which its figures are left out: the AUROC of 20 and 20 is good to ±.15."""
EVERY = "all files"


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One label over the posts of one file that name a group, against the posts that do not (the background).

    Borkan et al. 2019 (Nuanced Metrics for Measuring Unintended Bias): `subgroup_auc` within the group; `bpsn_auc` of
    background positives against the group's negatives, low where naming the group raises scores; `bnsp_auc` of
    background negatives against the group's positives, low where it lowers them. None where the group has fewer than
    FEWEST positives (bpsn_auc: never, it needs none). `fpr_gap`: the group's false-positive rate at the review threshold
    less the background's. One file may be EVERY file together, every post counting the same.
    """

    file: str
    label: str
    group: str
    posts: int
    positive: float
    subgroup_auc: float | None
    bpsn_auc: float
    bnsp_auc: float | None
    fpr: float
    fpr_gap: float


def measure_groups(sets: Sequence[ScoredSet], labels: Sequence[str], thresholds: Sequence[Threshold]) -> list[GroupRow]:
    """Rows of each group that has FEWEST negatives: for all files together, then for each."""
    named = [[groups_in(example.text) for example in each.examples] for each in sets]
    every = ScoredSet(EVERY, tuple(e for s in sets for e in s.examples), tuple(x for s in sets for x in s.scores))
    together = [groups for each in named for groups in each]
    pairs = list(zip(sets, named, strict=True)) if len(sets) > 1 else []
    return [
        row
        for scored, groups in [(every if pairs else sets[0], together), *pairs]
        for position, label in enumerate(labels)
        for row in _rows(scored, groups, position, label, thresholds[position])
    ]


def _rows(
    scored: ScoredSet, named: Sequence[frozenset[str]], position: int, label: str, threshold: Threshold
) -> list[GroupRow]:
    known = [i for i, example in enumerate(scored.examples) if example.labels[position] is not None]
    truth = np.array([(scored.examples[i].labels[position] or 0) >= 0.5 for i in known], bool)
    scores = np.array([scored.scores[i][position] for i in known], np.float64)
    rows = []
    for group in TERMS:
        inside = np.array([group in named[i] for i in known], bool)
        background = ~inside
        enough = (truth & background).sum() >= FEWEST and (~truth & background).sum() >= FEWEST
        if not enough or (~truth & inside).sum() < FEWEST:
            continue
        many = (truth & inside).sum() >= FEWEST
        fpr = float((scores[~truth & inside] >= threshold.review).mean())
        rows.append(
            GroupRow(
                file=scored.name,
                label=label,
                group=group,
                posts=int(inside.sum()),
                positive=float(truth[inside].mean()),
                subgroup_auc=_auc(truth, scores, inside) if many else None,
                bpsn_auc=_auc(truth, scores, (truth & background) | (~truth & inside)),
                bnsp_auc=_auc(truth, scores, (~truth & background) | (truth & inside)) if many else None,
                fpr=fpr,
                fpr_gap=fpr - float((scores[~truth & background] >= threshold.review).mean()),
            )
        )
    return rows


def _auc(truth: NDArray[Any], scores: NDArray[np.float64], chosen: NDArray[Any]) -> float:
    return float(roc_auc_score(truth[chosen], scores[chosen]))
