"""How a bundle's scores are distributed, for telling later whether the posts have changed."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from worker.core.types import SCORE_BUCKETS
from worker.modeling.evaluation.scoring import ScoredSet


def write_reference(path: Path, sets: Sequence[ScoredSet], labels: Sequence[str]) -> None:
    """Write the posts of each set, and how many of its scores lie in each bucket, by label.

    `le` are the buckets' upper bounds, inclusive: those of the metric moderation_score; unlike there, the counts do not
    add up the buckets below.
    """
    content = {
        "le": SCORE_BUCKETS,
        "files": {each.name: {"posts": len(each.scores), "scores": _counts(each, labels)} for each in sets},
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _counts(scored: ScoredSet, labels: Sequence[str]) -> dict[str, list[int]]:
    table = np.array(scored.scores, np.float64).reshape(-1, len(labels))
    buckets = np.searchsorted(SCORE_BUCKETS, table)  # the first whose bound is not below the score
    return {
        label: np.bincount(buckets[:, column], minlength=len(SCORE_BUCKETS)).tolist()
        for column, label in enumerate(labels)
    }
