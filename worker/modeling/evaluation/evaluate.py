"""Measure a bundle on labelled posts, through the path that serves it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from worker.core.errors import Fatal
from worker.core.policy import Threshold, decide
from worker.model.classifier import Classifier
from worker.modeling.evaluation.baseline import Floor
from worker.modeling.evaluation.bias import measure_groups
from worker.modeling.evaluation.metrics import FAIR, as_json, measure, rounded
from worker.modeling.evaluation.scoring import ScoredSet, of_half, score_set
from worker.modeling.evaluation.summary import pooled, three_classes
from worker.modeling.evaluation.temperature import fit_by_half, scale
from worker.modeling.posts.halves import Half
from worker.modeling.posts.labelled import check_names, read_labelled

Which = Half | Literal["all"]


def score_files(classifier: Classifier, data: Sequence[Path]) -> list[ScoredSet]:
    """Every post of every file, scored as the worker would."""
    check_names(data)
    sets = [(path.name, read_labelled(path, classifier.labels)) for path in data]  # all read before the long work
    return [score_set(classifier, name, examples) for name, examples in sets]


def evaluate(
    classifier: Classifier, sets: Sequence[ScoredSet], half: Which = "all", classes: Sequence[Mapping[str, str]] = ()
) -> dict[str, Any]:
    """All metrics of one half of the sets, at the bundle's thresholds, as a JSON object.

    Temperatures come from the other half of what is measured: with "all" each half is scaled by what the other one
    asks for (two-fold cross-fitting). `classes`: the sources' own classes by id, for each set.
    Raises Fatal where nothing could be measured.
    """
    labels = classifier.labels
    thresholds = classifier.bundle.policy.thresholds
    temperatures = fit_by_half(sets, len(labels))
    chosen = [of_half(each, half) for each in sets]
    scaled = [scale(each, temperatures) for each in chosen]
    rows = [row for each, after in zip(chosen, scaled, strict=True) for row in measure(each, labels, thresholds, after)]
    if not rows:
        raise nothing_measured(labels, half)
    return {
        "half": half,
        "rows": as_json(rows),
        "pooled": pooled(rows, chosen, labels, scaled),
        "three_classes": three_classes(chosen, classes, labels) if classes else [],
        "temperatures": {
            label: {h: round(values[k], 4) for h, values in temperatures.items()} for k, label in enumerate(labels)
        },
        "groups": [rounded(asdict(row)) for row in measure_groups(chosen, labels, thresholds)],
    }


def nothing_measured(labels: Sequence[str], half: Which) -> Fatal:
    """The error that says so."""
    return Fatal(
        f"evaluate: no file given to --data holds both values of any of the labels {', '.join(labels)}"
        + ("" if half == "all" else f" in its {half} half")
    )


def evaluate_floor(floor: Floor, half: Which = "all") -> dict[str, Any]:
    """The same of a floor, at 0.5, as far as it makes sense of one: without rows where nothing could be measured."""
    sets = [of_half(each, half) for each in floor.sets]
    thresholds = [Threshold(FAIR)] * len(floor.labels)
    rows = [row for each in sets for row in measure(each, floor.labels, thresholds)]
    return {
        "name": floor.plan.name,
        "note": floor.plan.describe(),
        "half": half,
        "rows": as_json(rows),
        "pooled": pooled(rows, sets, floor.labels),
    }


def beside(rows: Sequence[Mapping[str, Any]], floors: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """AUROC of each file and label beside each floor's; `margin` is over the best of them, negative where it loses."""
    found = []
    for row in rows:
        here = (row["file"], row["label"])
        others = {f["name"]: r["auroc"] for f in floors for r in f["rows"] if (r["file"], r["label"]) == here}
        if others:
            margin = round(row["auroc"] - max(others.values()), 4)
            found.append({"file": here[0], "label": here[1], "auroc": row["auroc"], "floors": others, "margin": margin})
    return found


def describe(classifier: Classifier, half: Which = "all") -> str:
    """One line that says what was measured, at which thresholds: two bundles seldom share them."""
    bundle = classifier.bundle
    pairs = zip(bundle.policy.labels, bundle.policy.thresholds, strict=True)
    review = ", ".join(f"{label} {threshold.review}" for label, threshold in pairs)
    posts = "" if half == "all" else f" Only the {half} half of each file was measured."
    return (
        f"{bundle.name} {bundle.version}, {bundle.manifest.quantization}, policy {bundle.policy.version}, "
        f"sha256 {bundle.sha256[:12]}, through the serving path. "
        f"F1 and balanced accuracy are at its own review thresholds ({review}).{posts}"
    )


def measured_of(content: Mapping[str, Any]) -> str | None:
    """The beginning of the SHA-256 of the bundle that `describe` named, None where it was a floor."""
    found = re.search(r"sha256 ([0-9a-f]{12}),", content.get("note", ""))
    return found[1] if found else None


def compare(
    classifier: Classifier, sets: Sequence[ScoredSet], reference: Classifier, expected: Sequence[ScoredSet]
) -> str:
    """One line that says how far scores and actions are from those of another bundle on the same posts.

    Both sets of scores are judged by `classifier`'s policy. Raises Fatal where labels or scored posts differ.
    """
    if classifier.labels != reference.labels:
        raise Fatal(f"evaluate --reference: its labels are {', '.join(reference.labels)}, not those of --bundle")
    if [each.examples for each in sets] != [each.examples for each in expected]:
        raise Fatal("evaluate --reference: it finds no token in other posts than --bundle: their tokenizers differ")
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
