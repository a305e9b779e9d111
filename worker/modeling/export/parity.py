"""What quantization cost: the same posts through the served graph and through its float32 twin."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from worker.core.errors import Fatal
from worker.core.policy import Threshold
from worker.modeling.evaluation.known import known_scores
from worker.modeling.evaluation.scoring import ScoredSet

FAIR = 0.5
UNCLEAR = 0.05
"""Scores nearer than this to 0.5 are anybody's guess: a decision that flips there costs little."""
TELLING = 200
"""Posts of a file below which nothing is out of bounds: two of fewer would be more than 1 %, and an AUROC moves by
more than its bound when two neighbours in rank change places."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that quantization may cost for any label and file.

    `auroc`: of the area under the ROC curve; `flips`: share of posts on the other side of 0.5 or of the review
    threshold; `clear_flips`: share on the other side of 0.5 whose float32 score is outside .45-.55.
    """

    auroc: float = 0.003
    flips: float = 0.02
    clear_flips: float = 0.01


@dataclass(frozen=True, slots=True)
class Parity:
    """One label on one file. The AUROCs are None where the file does not know both values of the label."""

    file: str
    label: str
    posts: int
    auroc_fp32: float | None
    auroc_int8: float | None
    flips: float
    clear_flips: float
    review_flips: float
    mean: float
    largest: float

    @property
    def auroc_cost(self) -> float | None:
        """By how much float32 ranks better; negative where it ranks worse."""
        if self.auroc_fp32 is None or self.auroc_int8 is None:
            return None
        return self.auroc_fp32 - self.auroc_int8

    def beyond(self, bounds: Bounds) -> list[str]:
        """What is out of bounds, of a file that is large enough to tell."""
        if self.posts < TELLING:
            return []
        found = [
            f"{share:.2%} {what} (at most {bound:.2%})"
            for what, share, bound in (
                ("flip at 0.5", self.flips, bounds.flips),
                ("flip at 0.5 outside .45-.55", self.clear_flips, bounds.clear_flips),
                ("flip at the review threshold", self.review_flips, bounds.flips),
            )
            if share > bound
        ]
        if self.auroc_cost is not None and self.auroc_cost > bounds.auroc:
            found.append(f"AUROC falls by {self.auroc_cost:.4f} (at most {bounds.auroc})")
        return [f"{self.file} {self.label}: {what}" for what in found]


def compare(
    expected: ScoredSet, found: ScoredSet, labels: Sequence[str], thresholds: Sequence[Threshold]
) -> list[Parity]:
    """Each label of one file: `expected` are the float32 scores, `found` those served, of the same posts in order."""
    before, after = (np.array(each.scores, np.float64).reshape(-1, len(labels)) for each in (expected, found))
    rows = []
    for position, (label, threshold) in enumerate(zip(labels, thresholds, strict=True)):
        old, new = before[:, position], after[:, position]
        flipped = (old >= FAIR) != (new >= FAIR)
        difference = np.abs(old - new)
        rows.append(
            Parity(
                file=found.name,
                label=label,
                posts=len(old),
                auroc_fp32=_auroc(expected, position),
                auroc_int8=_auroc(found, position),
                flips=_share(flipped),
                clear_flips=_share(flipped & (np.abs(old - FAIR) > UNCLEAR)),
                review_flips=_share((old >= threshold.review) != (new >= threshold.review)),
                mean=float(difference.mean()),
                largest=float(difference.max()),
            )
        )
    return rows


def check(rows: Sequence[Parity], bounds: Bounds) -> None:
    """Raise Fatal where a row is out of bounds, saying which and what may help."""
    wrong = [line for row in rows for line in row.beyond(bounds)]
    if wrong:
        raise Fatal(
            "export: quantization costs more than it may:\n  "
            + "\n  ".join(wrong)
            + "\ntry --smoothing 0.7, another --calibration-method, --quantize-aware 300, or --keep-fp32 with the layers that "
            "--sensitivity names; --max-auroc-cost, --max-flips and --max-clear-flips move the bounds"
        )


def as_json(rows: Sequence[Parity]) -> list[dict[str, Any]]:
    """Rows for the report."""
    found = [asdict(row) | {"auroc_cost": row.auroc_cost} for row in rows]
    return [{k: round(v, 5) if isinstance(v, float) else v for k, v in row.items()} for row in found]


def from_json(rows: Sequence[Mapping[str, Any]]) -> list[Parity]:
    """What `as_json` made."""
    names = [each.name for each in fields(Parity)]
    return [Parity(**{name: row[name] for name in names}) for row in rows]


def markdown(rows: Sequence[Parity]) -> str:
    """Rows as a Markdown table."""
    lines = [
        "| file | label | posts | AUROC fp32 | int8 | cost | flips at 0.5 | outside .45-.55 | at review | mean | max |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [row.file, row.label, f"{row.posts:,}"]
        cells += ["-" if v is None else f"{v:.4f}" for v in (row.auroc_fp32, row.auroc_int8, row.auroc_cost)]
        cells += [f"{v:.2%}" for v in (row.flips, row.clear_flips, row.review_flips)]
        cells += [f"{row.mean:.4f}", f"{row.largest:.3f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _auroc(scored: ScoredSet, position: int) -> float | None:
    truth, scores = known_scores(scored, position)
    return float(roc_auc_score(truth, scores)) if len(set(truth.tolist())) > 1 else None


def _share(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean())
