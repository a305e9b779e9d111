"""Thresholds for a wanted precision, and the policy file that holds them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from worker.core.errors import Fatal
from worker.model.classifier import Classifier
from worker.model.manifest import Thresholds
from worker.modeling.evaluation.evaluate import Which, score_files
from worker.modeling.evaluation.known import Known, known_sets
from worker.modeling.evaluation.metrics import table
from worker.modeling.evaluation.scoring import of_half
from worker.modeling.evaluation.thresholds import BLOCK_POSTS, effect, policy_version, precisions
from worker.modeling.posts.halves import other_half
from worker.modeling.writing import write_text


@dataclass(frozen=True, slots=True)
class Proposal:
    """What to write: thresholds by label; and what to say about them."""

    thresholds: dict[str, Thresholds]
    text: str


def propose(
    classifier: Classifier,
    data: Sequence[Path],
    precision: float,
    block_precision: float | None = None,
    half: Which = "selection",
) -> Proposal:
    """The lowest thresholds that reach `precision` (review) and `block_precision` (block; None: nothing blocks).

    They are chosen on one half of each file's posts, and what they do is said of the other; with "all" both are the
    same posts, which flatters. A label that no file knows keeps the bundle's thresholds.
    Raises Fatal where a precision is not reached.
    """
    if not 0 < precision < 1 or not (block_precision is None or precision <= block_precision < 1):
        raise Fatal("thresholds: --precision and --block-precision must be over 0 and under 1, and the first no higher")
    sets = score_files(classifier, data)
    other: Which = "all" if half == "all" else other_half(half)
    chosen, measured = ([of_half(each, which) for each in sets] for which in (half, other))
    thresholds, rows, kept = {}, [], []
    for position, (label, present) in enumerate(
        zip(classifier.labels, classifier.bundle.policy.thresholds, strict=True)
    ):
        known = known_sets(chosen, position)
        if not known:
            kept.append(label)
            thresholds[label] = Thresholds(review=present.review, block=present.block)
            continue
        review = lowest_precise(known, precision, label, "--precision")
        block = None
        if block_precision is not None:
            block = max(review, lowest_precise(known, block_precision, label, "--block-precision"))
        thresholds[label] = Thresholds(review=review, block=block)
        rows += [
            [label, kind, f"{threshold:.2f}", *_cells(known_sets(measured, position), threshold)]
            for kind, threshold in (("review", review), ("block", block))
            if threshold is not None
        ]
    if not rows:
        raise Fatal(f"thresholds: no file given to --data knows both values of {' or '.join(classifier.labels)}")
    where = "the same posts, which flatters" if half == "all" else f"the {other} half of the posts"
    said = f"Chosen on {'all posts' if half == 'all' else f'the {half} half'}; measured on {where}, each file with equal weight."
    said += f" Kept as the bundle has them: {', '.join(kept)}." if kept else ""
    said += " Precision depends on how many posts are positive: where fewer are than in these files, it is lower."
    return Proposal(
        thresholds, f"{said}\n\n{table(['label', 'action', 'from', 'precision', 'recall', 'flagged'], rows)}"
    )


def write_policy(path: Path, thresholds: dict[str, Thresholds]) -> str:
    """Write the file that MODERATION_POLICY_FILE reads; return the version it carries. Raises Fatal where it cannot."""
    version = policy_version(thresholds)
    content = {"version": version, "thresholds": {label: t.model_dump() for label, t in thresholds.items()}}
    write_text(path, json.dumps(content, indent=2) + "\n")
    return version


def lowest_precise(known: Sequence[Known], wanted: float, label: str, option: str) -> float:
    """The lowest threshold that flags BLOCK_POSTS posts at least and is right in a share of `wanted` of them.

    Raises Fatal, with the best there is, where none does.
    """
    enough = list(precisions(known))
    for threshold, precision in enough:
        if precision >= wanted:
            return threshold
    best = max(enough, key=lambda pair: pair[1], default=None)
    reached = f"the best is {best[1]:.3f}, at {best[0]}" if best else "no threshold flags so many"
    raise Fatal(
        f"thresholds: {label}: precision {wanted} is not reached on {BLOCK_POSTS} posts or more: {reached}: lower "
        f"{option}, or give more posts to --data"
    )


def _cells(known: Sequence[Known], threshold: float) -> list[str]:
    if not known:
        return ["unknown"] * 3
    at = effect(known, threshold)
    return ["-" if at.precision is None else f"{at.precision:.3f}", f"{at.recall:.3f}", f"{at.flagged:.1%}"]
