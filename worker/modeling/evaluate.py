"""Measure a bundle on labelled posts, through the path that serves it."""

from collections.abc import Sequence
from pathlib import Path

from worker.core.errors import Fatal
from worker.model.classifier import Classifier
from worker.modeling.examples import read_examples
from worker.modeling.metrics import Row, measure
from worker.modeling.scoring import score_set


def evaluate(classifier: Classifier, data: Sequence[Path]) -> list[Row]:
    """Metrics of each file and label, at the bundle's thresholds. Raises Fatal where nothing could be measured."""
    rows = []
    for path in data:
        scored = score_set(classifier, path.name, read_examples(path, classifier.labels))
        rows += measure(scored, classifier.labels, classifier.bundle.policy.thresholds)
    if not rows:
        raise Fatal(
            f"evaluate: no file given to --data holds both values of any of the labels {', '.join(classifier.labels)}"
        )
    return rows


def describe(classifier: Classifier) -> str:
    """One line that says what was measured."""
    bundle = classifier.bundle
    return (
        f"{bundle.name} {bundle.version}, {bundle.manifest.quantization}, policy {bundle.policy.version}, "
        f"sha256 {bundle.sha256[:12]}, through the serving path."
    )
