"""What `moderation-model explain` does with its options."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from worker.core.errors import Fatal
from worker.explain.method import Explanation, Method, explain, label_position
from worker.explain.occlusion import Occlusion
from worker.explain.terminal import render, safe
from worker.modeling.bundles import load_named
from worker.modeling.explain.identity import measure_terms
from worker.modeling.explain.measure import measure
from worker.modeling.explain.page import page
from worker.modeling.explain.report import as_json, markdown
from worker.modeling.posts.examples import read_unlabelled
from worker.modeling.writing import write_text
from worker.text.encodable import encodable

STEPS = 32
"""Points on the path of integrated gradients."""
FAIR = 0.5
"""The threshold of a checkpoint, which has no policy."""


def load_method(
    bundle: Path | None, classifier: Path | None, name: str | None, steps: int | None
) -> tuple[Method, str, dict[str, float]]:
    """The method, a line that says what it explains, and each label's review threshold. Raises Fatal."""
    if classifier is not None:
        if name not in {None, "integrated-gradients"}:
            raise Fatal(f"--method {name} runs on the serving session: give --bundle")
        steps = STEPS if steps is None else steps
        if steps < 1:
            raise Fatal(f"--steps is {steps}: at least 1")
        from worker.modeling.explain.gradients import IntegratedGradients

        gradients = IntegratedGradients(classifier, steps)
        note = f"Integrated gradients, {steps} points, on the checkpoint {classifier.name}."
        return gradients, note, dict.fromkeys(gradients.labels, FAIR)
    if bundle is None or name == "integrated-gradients":
        raise Fatal("--method integrated-gradients needs a checkpoint: give --classifier")
    if steps is not None:
        raise Fatal("--steps is of integrated gradients: give --classifier")
    served = load_named(bundle)
    found = served.bundle
    method = Occlusion(served, mask=name == "masking")
    note = f"{(name or 'occlusion').capitalize()} on {found.name} {found.version} ({found.manifest.quantization})."
    thresholds = zip(found.policy.labels, found.policy.thresholds, strict=True)
    return method, note, {label: threshold.review for label, threshold in thresholds}


def measure_method(
    method: Method,
    note: str,
    thresholds: dict[str, float],
    data: Sequence[Path],
    posts: int | None,
    output: Path | None,
) -> str:
    """Markdown of all that can be measured; JSON goes to `output`. Raises Fatal."""
    quality = measure(method, data, posts) if data else []
    terms = measure_terms(method, thresholds)
    gaps = getattr(method, "gaps", ())
    if output:
        write_text(output, json.dumps(as_json(note, quality, terms, gaps), indent=2) + "\n")
    return markdown(note, quality, terms, gaps)


def explain_posts(method: Method, note: str, chosen: argparse.Namespace) -> None:
    """Print each post's explanations, and write them where the options say. Raises Fatal."""
    labels = chosen.label or method.labels
    for label in labels:
        label_position(method.labels, label)
    if not chosen.data and not chosen.text:
        raise Fatal("nothing to explain: give --data or --text")
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    explained: list[tuple[str, str, list[Explanation]]] = []
    for post_id, text in _posts(chosen):
        found = [one for one in (explain(method, text, label) for label in labels) if one]
        explained.append((post_id, text, found))
        for explanation in found:
            print(f"{safe(post_id)}  {render(text, explanation, colour=colour)}")
    if chosen.html:
        write_text(chosen.html, page(note, explained))
    if chosen.json:
        rows = ({"id": post_id, "explanations": [asdict(one) for one in found]} for post_id, _, found in explained)
        write_text(chosen.json, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _posts(chosen: argparse.Namespace) -> list[tuple[str, str]]:
    """Ids and texts: those of --text, numbered, then those of --data."""
    found = [(f"text {number}", encodable(text)) for number, text in enumerate(chosen.text, 1)]
    for path in chosen.data:
        found += [(post.id, post.text) for post in read_unlabelled(path, 0)[: chosen.posts]]
    return found
