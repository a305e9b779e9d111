"""Measure a bundle on labelled posts, through the path that serves it."""

from collections.abc import Sequence
from pathlib import Path

from worker.core.errors import Fatal
from worker.core.policy import decide
from worker.model.classifier import Classifier
from worker.modeling.examples import read_examples
from worker.modeling.metrics import Row, measure
from worker.modeling.scoring import ScoredSet, score_set


def score_files(classifier: Classifier, data: Sequence[Path]) -> list[ScoredSet]:
    """Every post of every file, scored as the worker would."""
    return [score_set(classifier, path.name, read_examples(path, classifier.labels)) for path in data]


def evaluate(classifier: Classifier, sets: Sequence[ScoredSet]) -> list[Row]:
    """Metrics of each file and label, at the bundle's thresholds. Raises Fatal where nothing could be measured."""
    thresholds = classifier.bundle.policy.thresholds
    rows = [row for scored in sets for row in measure(scored, classifier.labels, thresholds)]
    if not rows:
        raise Fatal(
            f"evaluate: no file given to --data holds both values of any of the labels {', '.join(classifier.labels)}"
        )
    return rows


def describe(classifier: Classifier) -> str:
    """One line that says what was measured, at which thresholds: two bundles seldom share them."""
    bundle = classifier.bundle
    pairs = zip(bundle.policy.labels, bundle.policy.thresholds, strict=True)
    review = ", ".join(f"{label} {threshold.review}" for label, threshold in pairs)
    return (
        f"{bundle.name} {bundle.version}, {bundle.manifest.quantization}, policy {bundle.policy.version}, "
        f"sha256 {bundle.sha256[:12]}, through the serving path. "
        f"F1 and balanced accuracy are at its own review thresholds ({review})."
    )


def compare(
    classifier: Classifier, sets: Sequence[ScoredSet], reference: Classifier, expected: Sequence[ScoredSet]
) -> str:
    """One line that says how far scores and actions are from those of another bundle on the same posts.

    Both sets of scores are judged by `classifier`'s policy. Raises Fatal where the labels differ.
    """
    if classifier.labels != reference.labels:
        raise Fatal(f"evaluate --reference: its labels are {', '.join(reference.labels)}, not those of --bundle")
    policy = classifier.bundle.policy
    pairs = [
        pair
        for found, other in zip(sets, expected, strict=True)
        for pair in zip(found.scores, other.scores, strict=True)
    ]
    differences = [abs(a - b) for found, other in pairs for a, b in zip(found, other, strict=True)]
    changed = sum(decide(found, policy).action != decide(other, policy).action for found, other in pairs)
    return (
        f"Against {reference.bundle.manifest.quantization} on the same {len(pairs):,} posts: scores differ by "
        f"{sum(differences) / len(differences):.4f} on average and {max(differences):.3f} at most, "
        f"{changed / len(pairs):.2%} of actions differ."
    )
