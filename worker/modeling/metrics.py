"""How good scores are, for each file and label."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score, roc_auc_score

from worker.core.policy import Threshold
from worker.modeling.scoring import ScoredSet
from worker.modeling.thresholds import balanced_accuracy, known_scores

BINS = 15
"""Equal-width bins of the expected calibration error, as in Guo et al. 2017."""


@dataclass(frozen=True, slots=True)
class Row:
    """One label on one file.

    F1 and balanced accuracy are at the review threshold; `blocked` is the share of posts at or over the block
    threshold, `block_precision` the share of those that are right (None: no such post, or no threshold).
    """

    file: str
    label: str
    posts: int
    positive: float
    auroc: float
    f1: float
    balanced_accuracy: float
    ece: float
    blocked: float | None
    block_precision: float | None


def measure(scored: ScoredSet, labels: Sequence[str], thresholds: Sequence[Threshold]) -> list[Row]:
    """Metrics of each label of which the file knows both values."""
    rows = []
    for position, (label, threshold) in enumerate(zip(labels, thresholds, strict=True)):
        truth, scores = known_scores(scored, position)
        if len(set(truth.tolist())) > 1:
            rows.append(_row(scored.name, label, threshold, truth, scores))
    return rows


def expected_calibration_error(truth: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """Mean over posts of |share of positives - mean score| of the post's bin."""
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    gaps = [abs((truth[bins == b] - scores[bins == b]).sum()) for b in range(BINS)]
    return float(sum(gaps) / len(scores))


def as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows for a JSON file, rounded to what a few thousand posts can tell."""
    return [{k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(row).items()} for row in rows]


def markdown(rows: Sequence[Row]) -> str:
    """Rows as a Markdown table, which speaks of blocking only where something may block."""
    blocking = any(row.blocked is not None for row in rows)
    columns = ["file", "label", "posts", "positive", "AUROC", "F1", "balanced accuracy", "ECE"]
    columns += ["blocked", "right of those"] if blocking else []
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for row in rows:
        cells = [row.file, row.label, f"{row.posts:,}", f"{row.positive:.1%}"]
        cells += [f"{v:.3f}" for v in (row.auroc, row.f1, row.balanced_accuracy, row.ece)]
        if blocking:
            cells += ["-" if v is None else f"{v:.1%}" for v in (row.blocked, row.block_precision)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _row(file: str, label: str, threshold: Threshold, truth: NDArray[np.int64], scores: NDArray[np.float64]) -> Row:
    flagged = scores >= threshold.review
    over = None if threshold.block is None else scores >= threshold.block
    return Row(
        file=file,
        label=label,
        posts=len(truth),
        positive=float(truth.mean()),
        auroc=float(roc_auc_score(truth, scores)),
        f1=float(f1_score(truth, flagged)),
        balanced_accuracy=balanced_accuracy(truth, flagged),
        ece=expected_calibration_error(truth, scores),
        blocked=None if over is None else float(over.mean()),
        block_precision=None if over is None or not over.any() else float(truth[over].mean()),
    )
