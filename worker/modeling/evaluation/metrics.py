"""How good scores are, for each file and label."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score, roc_curve

from worker.core.policy import Threshold
from worker.modeling.evaluation.intervals import auroc_interval
from worker.modeling.evaluation.known import joined, known_scores, known_sets
from worker.modeling.evaluation.scoring import ScoredSet
from worker.modeling.evaluation.thresholds import balanced_accuracy

BINS = 15
"""Equal-width bins of the expected calibration error, as in Guo et al. 2017."""
FAIR = 0.5
"""The threshold of a calibrated score."""
_DRAWS = 200
"""Of labels: the mean then varies by less than the third decimal."""


@dataclass(frozen=True, slots=True)
class Row:
    """One label on one file. Shares are from 0 to 1.

    `auroc_low` and `auroc_high` bound its 95 % interval (bootstrap over posts). `f1` (of the positives), `macro_f1` (mean
    of both values') and `balanced_accuracy` are at the review threshold, `..._at_half` at 0.5. `recall_at_fpr_1` and
    `_5`: the share of positives over the lowest threshold that at most 1 and 5 % of the negatives reach. `ece_scaled`:
    after temperature scaling (None: not measured). `blocked` is the share of posts at or over the block threshold,
    `block_precision` the share of those that are right (None: no such post, or no threshold).
    """

    file: str
    label: str
    posts: int
    positive: float
    auroc: float
    auroc_low: float
    auroc_high: float
    average_precision: float
    recall_at_fpr_1: float
    recall_at_fpr_5: float
    f1: float
    macro_f1: float
    balanced_accuracy: float
    macro_f1_at_half: float
    balanced_accuracy_at_half: float
    ece: float
    ece_scaled: float | None
    blocked: float | None
    block_precision: float | None


def measure(
    scored: ScoredSet,
    labels: Sequence[str],
    thresholds: Sequence[Threshold],
    scaled: ScoredSet | None = None,
) -> list[Row]:
    """Metrics of each label of which the file knows both values.

    `scaled`: the same posts' scores after temperature scaling.
    """
    rows = []
    for position, (label, threshold) in enumerate(zip(labels, thresholds, strict=True)):
        truth, scores = known_scores(scored, position)
        if len(set(truth.tolist())) > 1:
            after = None if scaled is None else known_scores(scaled, position)[1]
            rows.append(_row(scored.name, label, threshold, truth, scores, after))
    return rows


def pooled_error(sets: Sequence[ScoredSet], position: int) -> float | None:
    """Expected calibration error of a label over all sets that know both its values, each set with equal weight."""
    known = known_sets(sets, position)
    return expected_calibration_error(*joined(known)) if known else None


def chance_error(sets: Sequence[ScoredSet], position: int) -> float | None:
    """The same of labels drawn by the scores, mean of the draws: what perfect calibration would show on these posts.

    It is above 0 because posts are few (Broecker and Smith 2007): no error much below it can be told from none.
    """
    known = known_sets(sets, position)
    if not known:
        return None
    _, scores, weights = joined(known)
    draw = np.random.default_rng(0)
    drawn = ((draw.random(len(scores)) < scores).astype(np.int64) for _ in range(_DRAWS))
    return float(np.mean([expected_calibration_error(labels, scores, weights) for labels in drawn]))


def expected_calibration_error(
    truth: NDArray[np.int64], scores: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> float:
    """Mean over posts of |share of positives - mean score| of the post's bin; `weights` of the posts default to equal."""
    share = np.full(len(scores), 1 / len(scores)) if weights is None else weights / weights.sum()
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    return float(np.abs(np.bincount(bins, share * (truth - scores), BINS)).sum())


def recall_at_false_positive_rate(truth: NDArray[np.int64], scores: NDArray[np.float64], rate: float) -> float:
    """Share of positives flagged by the lowest threshold that flags at most `rate` of the negatives."""
    false, true, _ = roc_curve(truth, scores, drop_intermediate=False)
    return float(true[false <= rate].max())


def as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows for a JSON file, rounded to what a few thousand posts can tell."""
    return [rounded(asdict(row)) for row in rows]


def rounded(values: dict[str, Any]) -> dict[str, Any]:
    """The same with its floats rounded to four decimals."""
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in values.items()}


def markdown(rows: Sequence[Row]) -> str:
    """Rows as a Markdown table, which speaks of blocking only where something may block."""
    blocking = any(row.blocked is not None for row in rows)
    columns = ["file", "label", "posts", "positive", "AUROC", "95 %", "average precision", "recall at 1 / 5 % FPR"]
    columns += ["F1", "macro-F1", "balanced accuracy", "at 0.5", "ECE", "scaled"]
    columns += ["blocked", "right of those"] if blocking else []
    cells = []
    for row in rows:
        line = [row.file, row.label, f"{row.posts:,}", f"{row.positive:.1%}", f"{row.auroc:.3f}"]
        line += [f"{row.auroc_low:.3f}-{row.auroc_high:.3f}", f"{row.average_precision:.3f}"]
        line += [f"{row.recall_at_fpr_1:.2f} / {row.recall_at_fpr_5:.2f}", f"{row.f1:.3f}", f"{row.macro_f1:.3f}"]
        line += [f"{row.balanced_accuracy:.3f}", f"{row.balanced_accuracy_at_half:.3f}", f"{row.ece:.3f}"]
        line += ["-" if row.ece_scaled is None else f"{row.ece_scaled:.3f}"]
        if blocking:
            line += ["-" if v is None else f"{v:.1%}" for v in (row.blocked, row.block_precision)]
        cells.append(line)
    return table(columns, cells)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def _row(
    file: str,
    label: str,
    threshold: Threshold,
    truth: NDArray[np.int64],
    scores: NDArray[np.float64],
    scaled: NDArray[np.float64] | None,
) -> Row:
    flagged, at_half = scores >= threshold.review, scores >= FAIR
    over = None if threshold.block is None else scores >= threshold.block
    low, high = auroc_interval(truth, scores)
    return Row(
        file=file,
        label=label,
        posts=len(truth),
        positive=float(truth.mean()),
        auroc=float(roc_auc_score(truth, scores)),
        auroc_low=low,
        auroc_high=high,
        average_precision=float(average_precision_score(truth, scores)),
        recall_at_fpr_1=recall_at_false_positive_rate(truth, scores, 0.01),
        recall_at_fpr_5=recall_at_false_positive_rate(truth, scores, 0.05),
        f1=float(f1_score(truth, flagged)),
        macro_f1=float(f1_score(truth, flagged, average="macro")),
        balanced_accuracy=balanced_accuracy(truth, flagged),
        macro_f1_at_half=float(f1_score(truth, at_half, average="macro")),
        balanced_accuracy_at_half=balanced_accuracy(truth, at_half),
        ece=expected_calibration_error(truth, scores),
        ece_scaled=None if scaled is None else expected_calibration_error(truth, scaled),
        blocked=None if over is None else float(over.mean()),
        block_precision=None if over is None or not over.any() else float(truth[over].mean()),
    )
