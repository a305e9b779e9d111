"""MODEL_CARD.md, rendered from what commands measured: no number in it is typed by hand."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from worker.core.errors import Fatal
from worker.core.policy import decide
from worker.core.pooling import pool
from worker.model.classifier import Classifier
from worker.model.manifest import CARD, MODEL, Manifest
from worker.modeling.evaluation.metrics import markdown
from worker.modeling.evaluation.report import rows_of, summary
from worker.modeling.model_card.about import About, read_about
from worker.modeling.model_card.datasets import DATASETS
from worker.modeling.training.recipe import Recipe

NO_BLOCKING = """\
No label blocks by itself: this model is sure of itself where it is wrong, too (see the made-up sentences below), so
that a score says which posts people should see first, not which may vanish unseen. To block, measure on your own
posts from where on nearly every decision is right, and give those thresholds in a policy file
(`MODERATION_POLICY_FILE`); the bundle stays as it is.
"""

BLOCKING = """\
`block` starts where the model was right nine times in ten over all development posts together; on single sources it
is right less often (last column), on yours it may be too. Measure on your own posts first; a policy file
(`MODERATION_POLICY_FILE`) has other thresholds, or none, without another bundle.
"""


ROSY = "; they also chose the thresholds, so figures at a threshold are\nslightly rosy"
OTHER_HALF = ", one half of them by a hash of their ids: the other half\nstopped, calibrated and chose the thresholds"


def write_card(bundle: Path, classifier: Path, about: Path, metrics: Mapping[str, Path]) -> Path:
    """Write the card of `bundle`, trained as `classifier` says; `about` is a file that `read_about` reads.

    `metrics`: headings, and files that `evaluate --json` wrote. Raises Fatal where a file cannot be read.
    """
    loaded = Classifier.load(bundle)
    manifest = loaded.bundle.manifest
    told = read_about(about)
    recipe = _read(classifier / "metrics.json")["recipe"]
    measured = {heading: _read(path) for heading, path in metrics.items()}
    half = next(iter(measured.values())).get("half", "all")
    text = "\n".join(
        [
            _head(manifest, (bundle / MODEL).stat().st_size),
            _origin(told, recipe),
            *(_measured(heading, content, full=not i) for i, (heading, content) in enumerate(measured.items())),
            f"## Limits\n\n{told.limits.strip()}\n",
            *([_probed(loaded, told.probes)] if told.probes else []),
            _reproduce(manifest, told.make, half),
        ]
    )
    (bundle / CARD).write_text(text, encoding="utf-8")
    return bundle / CARD


def _probed(classifier: Classifier, probes: Sequence[str]) -> str:
    labels = " | ".join(classifier.labels)
    lines = [f"| made-up sentence | {labels} | action |", "|---|" + "---|" * (len(classifier.labels) + 1)]
    for text in probes:
        scores = pool(classifier.score(classifier.windows([classifier.normalise(text).text])[0]))
        values = " | ".join(f"{score:.2f}" for score in scores)
        lines.append(f"| {text} | {values} | {decide(scores, classifier.bundle.policy).action} |")
    return "What that looks like, right and wrong, as this bundle scores it:\n\n" + "\n".join(lines) + "\n"


def _head(manifest: Manifest, size: int) -> str:
    thresholds = "\n".join(
        f"| {label} | {t.review} | {'never' if t.block is None else t.block} |"
        for label, t in manifest.policy.thresholds.items()
    )
    return f"""\
# {manifest.name} {manifest.version}

Says how likely a post is {" and ".join(f"*{label}*" for label in manifest.labels)}, each by itself. Language: {manifest.language}. \
{manifest.quantization}, {size / 1e6:.1f} MB, windows of {manifest.max_length} tokens that share {manifest.overlap}.

Policy `{manifest.policy.version}`, chosen on the development posts below:

| label | review from | block from |
|---|---|---|
{thresholds}

{BLOCKING if _may_block(manifest) else NO_BLOCKING}"""


def _origin(told: About, recipe: Mapping[str, Any]) -> str:
    return f"""\
## What it was made from

The encoder is {told.encoder},
taken weight for weight into an ELECTRA encoder, which computes the same hidden states (`moderation-model warm-start`).
The vocabulary is {told.vocabulary}.

Fine-tuned with one linear layer on [CLS], a sigmoid for each label, unknown labels masked, at most \
{recipe["max_length"]} tokens, seed {recipe["seed"]}. What was chosen (`moderation-model train` and `distill` explain it):

{_choices(recipe)}

Trained on the training parts of:

{_sources(recipe["train"])}

The posts themselves are not part of this bundle. A label that has only one value in a whole source is treated as
unknown there. No test set was used.
"""


_ELSEWHERE = {"encoder", "train", "clean", "unlabelled", "teacher_scores", "seed", "max_length", "labels"}


def _choices(recipe: Mapping[str, Any]) -> str:
    """What the recipe says that its default does not, as a table; files are named elsewhere."""
    usual = asdict(Recipe(encoder="", train=()))
    always = ("epochs", "learning_rate", "batch_size", "dropout")
    lines = ["| option | value |", "|---|---|"]
    for name, value in recipe.items():
        if name not in _ELSEWHERE and (name in always or value != usual.get(name)):
            lines.append(f"| {name} | {_plain(value, usual.get(name))} |")
    if taught := recipe.get("unlabelled"):
        lines.append(f"| unlabelled | {', '.join(Path(name).name for name in taught)} |")
    return "\n".join(lines)


def _plain(value: Any, usual: Any) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    return ", ".join(f"{k} {v}" for k, v in value.items() if not isinstance(usual, Mapping) or v != usual.get(k))


def _sources(files: Sequence[str]) -> str:
    lines = []
    for name in files:
        file = Path(name).name
        data = DATASETS.get(file.split(".")[0])
        known = f": [{data.title}]({data.source}) ({data.authors}), {data.licence}: {data.note}" if data else ""
        lines.append(f"- `{file}`{known}")
    return "\n".join(lines)


def _measured(heading: str, content: Mapping[str, Any], *, full: bool) -> str:
    """The first heading in full; of the others, which are there to compare with, what is compared."""
    shown = content if full else {key: content[key] for key in ("pooled", "three_classes") if key in content}
    return "\n".join([f"## {heading}\n", content["note"] + "\n", markdown(rows_of(content)), *summary(shown)])


def _reproduce(manifest: Manifest, make: str, half: str) -> str:
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

{command}Development posts are those of the same sources{ROSY if half == "all" else OTHER_HALF}. Training on another CPU gives
slightly different weights.
"""


def _may_block(manifest: Manifest) -> list[str]:
    return [label for label, t in manifest.policy.thresholds.items() if t.block is not None]


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Fatal(f"card: {path}: cannot be read: {error}") from error
    return content


def parse_metrics(pairs: Sequence[str]) -> dict[str, Path]:
    """`HEADING=FILE` arguments. Raises Fatal for anything else."""
    found = {}
    for pair in pairs:
        heading, equals, file = pair.rpartition("=")
        if not (heading and equals and file):
            raise Fatal(f"card: --metrics {pair!r}: expected HEADING=FILE")
        found[heading] = Path(file)
    return found
