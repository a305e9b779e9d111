"""The suite's command: score, write JSON, return Markdown."""

import json
from pathlib import Path

from worker.core.errors import Fatal
from worker.modeling.bundles import load_named
from worker.modeling.suite.cases import suite_cases
from worker.modeling.suite.measure import as_json, markdown, score_cases, summarise
from worker.modeling.writing import write_text


def report(bundle: Path, out: Path | None) -> str:
    """Measure the bundle; write the numbers to `out`, if given. Raises Fatal where it has no label "hate"."""
    classifier = load_named(bundle)
    if "hate" not in classifier.labels:
        raise Fatal(f"suite --bundle: its labels are {', '.join(classifier.labels)}; the suite asks for hate")
    result = summarise(score_cases(classifier, suite_cases()))
    if out:
        head = {"bundle": classifier.bundle.name, "version": classifier.bundle.version}
        content = head | {"sha256": classifier.bundle.sha256} | as_json(result)
        write_text(out, json.dumps(content, indent=2) + "\n")
    return markdown(result)
