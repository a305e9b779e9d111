"""MODEL_CARD.md, rendered from what commands measured: no number in it is typed by hand."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from worker.core.errors import Fatal
from worker.core.policy import decide
from worker.core.pooling import pool
from worker.model.classifier import Classifier
from worker.model.manifest import CARD, MODEL, REFERENCE, Manifest
from worker.modeling.bundles import load_named
from worker.modeling.evaluation.evaluate import measured_of
from worker.modeling.evaluation.metrics import markdown
from worker.modeling.evaluation.report import rows_of, summary
from worker.modeling.model_card.about import read_about
from worker.modeling.model_card.beside import made, read_json, sections
from worker.modeling.model_card.origin import origin
from worker.modeling.model_card.runs import Run, read_training, runs_of
from worker.modeling.writing import write_text

NO_BLOCKING = """\
No label blocks by itself: models like this one are sure of themselves where they are wrong, too, so that a score says
which posts people should see first, not which may vanish unseen. To block, measure on your own posts from where on
nearly every decision is right, and give those thresholds in a policy file (`MODERATION_POLICY_FILE`); the bundle stays
as it is.
"""

BLOCKING = """\
`block` starts where the model was right nine times in ten over those posts together; on single sources it may be right
less often (last column of the first table), on yours too. Measure on your own posts first; a policy file
(`MODERATION_POLICY_FILE`) has other thresholds, or none, without another bundle.
"""


CHOSEN = {
    "report": "one half (by a hash of the id) of the development posts below; figures are of the other half",
    "all": "one half (by a hash of the id) of the development posts below, so that figures are slightly rosy",
    "selection": "the very posts below, so that figures are rosy",
}
"""What stopped training, calibrated scores and chose thresholds, by the half that the first figures are of."""
CHOSE = " Half of these posts calibrated the scores and chose the thresholds."
DRIFT = f"""\
## Drift

`{REFERENCE}` holds the distribution of this bundle's scores when it was made: compare that of your own posts (metric
`moderation_score`) with it to see drift.
"""


def write_card(
    bundle: Path, classifier: Path, about: Path, metrics: Mapping[str, Path], teachers: Sequence[Path] = ()
) -> Path:
    """Write the card of `bundle`, trained as `classifier` says; `about` is a file that `read_about` reads.

    `metrics`: headings, and files that `evaluate --json` wrote. `teachers`: directories of others that taught it. What
    `export` and `suite` wrote into the bundle's directory is shown too. Raises Fatal where a file cannot be read, or is
    of another bundle.
    """
    loaded = load_named(bundle)
    manifest = loaded.bundle.manifest
    told = read_about(about)
    measured = {heading: read_json(path) for heading, path in metrics.items()}
    for path, content in zip(metrics.values(), measured.values(), strict=True):
        if measured_of(content) not in {None, loaded.bundle.sha256[:12]}:
            raise Fatal(f"card: {path}: was measured of another bundle: run `moderation-model evaluate` again")
    if len({path.name for path in teachers}) < len(teachers):
        raise Fatal("card: --teachers: two directories have one name, by which the card tells them apart: rename one")
    taught = {path.name: Run(read_training(path)["recipe"]) for path in teachers}
    half = next(iter(measured.values())).get("half", "all")
    text = "\n".join(
        [
            _head(manifest, (bundle / MODEL).stat().st_size, half, told.licence),
            *([f"## Intended use\n\n{told.use.strip()}\n"] if told.use else []),
            origin(told, runs_of(classifier), taught),
            *(
                made(metrics[name], partial(_measured, name, measured[name], full=not i))
                for i, name in enumerate(measured)
            ),
            *sections(bundle, loaded.bundle.sha256),
            *([DRIFT] if (bundle / REFERENCE).is_file() else []),
            f"## Limits\n\n{told.limits.strip()}\n",
            *([_probed(loaded, told.probes)] if told.probes else []),
            _reproduce(manifest, told.make),
        ]
    )
    write_text(bundle / CARD, text)
    return bundle / CARD


def _probed(classifier: Classifier, probes: Sequence[str]) -> str:
    labels = " | ".join(classifier.labels)
    lines = [f"| made-up sentence | {labels} | action |", "|---|" + "---|" * (len(classifier.labels) + 1)]
    for text in probes:
        scores = pool(classifier.score(classifier.windows([classifier.normalise(text).text])[0]))
        values = " | ".join(f"{score:.2f}" for score in scores)
        lines.append(f"| {text} | {values} | {decide(scores, classifier.bundle.policy).action} |")
    return "What that looks like, right and wrong, as this bundle scores it:\n\n" + "\n".join(lines) + "\n"


def _head(manifest: Manifest, size: int, half: str, licence: str) -> str:
    thresholds = "\n".join(
        f"| {label} | {t.review} | {'never' if t.block is None else t.block} |"
        for label, t in manifest.policy.thresholds.items()
    )
    offered = f" Licence of this bundle: {licence}." if licence else ""
    return f"""\
# {manifest.name} {manifest.version}

Says how likely a post is {" and ".join(f"*{label}*" for label in manifest.labels)}, each by itself. Language: {manifest.language}. \
{manifest.quantization}, {size / 1e6:.1f} MB, windows of {manifest.max_length} tokens that share {manifest.overlap}.{offered}

Policy `{manifest.policy.version}`, chosen on {CHOSEN[half]}:

| label | review from | block from |
|---|---|---|
{thresholds}

{BLOCKING if _may_block(manifest) else NO_BLOCKING}"""


def _measured(heading: str, content: Mapping[str, Any], *, full: bool) -> str:
    """The first heading in full; of the others, which are there to compare with, what is compared."""
    shown = content if full else {key: content[key] for key in ("pooled", "three_classes", "beside") if key in content}
    rosy = "" if full or content.get("half") == "report" else CHOSE
    return "\n".join([f"## {heading}\n", content["note"] + rosy + "\n", markdown(rows_of(content)), *summary(shown)])


def _reproduce(manifest: Manifest, make: str) -> str:
    labels = dict.fromkeys(manifest.labels) | {manifest.labels[0]: 0}
    post = json.dumps({"id": "a1", "text": "a post", "labels": labels})
    command = f"```sh\n{make}\n```\n\n" if make else ""
    return f"""\
## Make it again

Get the data sets from their authors (above) and write each part as a file of JSON Lines, UTF-8, one post a line, under
the names above and `<source>.dev.jsonl`:

```json
{post}
```

`id` is any string; a label is 1, 0, or null where the source does not say.

{command}Development posts come from the same sources as the labelled ones. Training on another CPU gives slightly different
weights.
"""


def _may_block(manifest: Manifest) -> list[str]:
    return [label for label, t in manifest.policy.thresholds.items() if t.block is not None]


def parse_metrics(pairs: Sequence[str]) -> dict[str, Path]:
    """`HEADING=FILE` arguments. Raises Fatal for anything else."""
    found = {}
    for pair in pairs:
        heading, equals, file = pair.rpartition("=")
        if not (heading and equals and file):
            raise Fatal(f"card: --metrics {pair!r}: expected HEADING=FILE")
        found[heading] = Path(file)
    return found
