"""What was measured of explanations, as JSON and as Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import product
from statistics import fmean, median
from typing import Any

from worker.modeling.explain.identity import SENTENCES, TermRow
from worker.modeling.explain.measure import Quality, QualityRow

QUALITY = (
    "Token F1 (at a cut chosen on the selection half) and AUPRC against the words that people marked, "
    "comprehensiveness (higher is better) and sufficiency (lower is better) in probability; all on the report half. "
    "Random: the same posts with random weights."
)
TERMS = (
    f"{len(SENTENCES)} neutral sentences for each group: mean score, its excess over sentences that name no group, "
    "share at or over the review threshold, and the weight of the term itself in log-odds. Augmented: whether posts of "
    "`moderation-model augment` name the group by that term; a model trained with them has met it in harmless sentences."
)

AUGMENTED = {True: "yes", False: "no", None: "-"}
FIGURES = ("score", "excess", "flagged", "weight")


def as_json(
    note: str, quality: Sequence[QualityRow], terms: Sequence[TermRow], gaps: Sequence[float] = ()
) -> dict[str, Any]:
    """All of it, rounded to what the posts can tell; `gaps` are those of integrated gradients."""
    found: dict[str, Any] = {
        "note": note,
        "quality": [_rounded(asdict(row)) for row in quality],
        "terms": [_rounded(asdict(row)) for row in terms],
    }
    if gaps:
        found["completeness_gap"] = {"passages": len(gaps), **_rounded(_gap(gaps))}
    return found


def markdown(note: str, quality: Sequence[QualityRow], terms: Sequence[TermRow], gaps: Sequence[float] = ()) -> str:
    """The same for people."""
    lines = [note, "", QUALITY, "", *_quality_table(quality)]
    if gaps:
        gap = ", ".join(f"{name} {figure:.4f}" for name, figure in _gap(gaps).items())
        lines += ["", f"Completeness gap of {len(gaps):,} passages, in log-odds: {gap}."]
    return "\n".join([*lines, "", TERMS, "", *_terms_table(terms)]) + "\n"


def _quality_table(rows: Sequence[QualityRow]) -> list[str]:
    columns = ("file", "label", "posts", "by", "cut", "token F1", "AUPRC", "comprehensiveness", "sufficiency")
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for row in rows:
        lines.append(f"| {row.file} | {row.label} | {row.posts:,} | the method | {_cells(row.method)} |")
        lines.append(f"| | | | random | {_cells(row.control)} |")
    return lines


def _cells(quality: Quality) -> str:
    figures = (quality.token_f1, quality.auprc, quality.comprehensiveness, quality.sufficiency)
    return " | ".join([f"{quality.cut:.2f}", *(f"{figure:.3f}" for figure in figures)])


def _terms_table(rows: Sequence[TermRow]) -> list[str]:
    columns = ("label", "group", "augmented", "score", "excess", "flagged", "weight")
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for row in [*rows, *_means(rows)]:
        figures = f"{row.score:.3f} | {row.excess:+.3f} | {row.flagged:.0%} | {row.weight:+.2f}"
        lines.append(f"| {row.label} | {row.group} | {AUGMENTED[row.augmented]} | {figures} |")
    return lines


def _means(rows: Sequence[TermRow]) -> Iterator[TermRow]:
    """For each label the mean of the groups that the augmentation names, and of those that it does not."""
    for label, augmented in product(dict.fromkeys(row.label for row in rows), (True, False)):
        chosen = [row for row in rows if (row.label, row.augmented) == (label, augmented)]
        figures: dict[str, Any] = {key: fmean(getattr(row, key) for row in chosen) for key in FIGURES}
        yield replace(chosen[0], group=f"mean of {len(chosen)}", **figures)


def _gap(gaps: Sequence[float]) -> dict[str, float]:
    return {"mean": fmean(gaps), "median": median(gaps), "max": max(gaps)}


def _rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _figure(value) for key, value in row.items()}


def _figure(value: Any) -> Any:
    match value:
        case float():
            return round(value, 4)
        case dict():
            return _rounded(value)
    return value
