"""MODEL_CARD.md, rendered from what commands measured: no number in it is typed by hand."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from worker.core.errors import Fatal
from worker.core.policy import decide
from worker.core.pooling import pool
from worker.model.classifier import Classifier
from worker.model.manifest import CARD, MODEL, Manifest
from worker.modeling.evaluation.metrics import markdown
from worker.modeling.evaluation.report import rows_of, summary
from worker.modeling.model_card import korean as card_korean
from worker.modeling.model_card.datasets import DATASETS

LIMITS = """\
- **English only**, and short informal posts above all: tweets, comments, forum posts. Other languages get scores too;
  they mean nothing.
- **Not for sole decisions.** It is made to sort posts for people to look at.
- Its sources mean different things by *hate*: the same word is hateful in 2 % of one source's posts and in 82 % of
  another's. The scores are a compromise between them.
- Known blind spots: a sentence that only names a group, or stands up for one, may be scored as hate, as
  surely as hate itself; insults without a slur are missed; negated hate ("nobody should say that ...") and quoted or
  reported hate are mistaken for hate, or read too mildly; words joined together or spelt with symbols are missed;
  irony, images, links and context outside the post are not seen; reclaimed slurs and dialect (African American
  English above all) are over-flagged.
- `offensive` was learnt from two sources, most of whose posts were found by looking for slurs; it over-flags posts of
  other kinds.
- A long post is scored in windows and takes its highest score, so very long posts are flagged more often; a hateful
  sentence among many harmless ones in the same window scores lower than alone.
- Probabilities are calibrated to the mixture of sources (see ECE), not to your traffic, where hate is rarer.
"""

PROBES = (
    "what a lovely day",
    "this is a shit phone",
    "you are a fucking idiot",
    "shut the fuck up bitch",
    "kill all immigrants",
    "women are inferior to men",
    "I don't hate women",
    "I love my muslim neighbours",
    "black people deserve equal rights",
    "he said that immigrants are vermin, and I told him to leave",
    "go back to where you came from, we don't want your kind here",
    "imm1grants are v.e.r.m.i.n",
)
"""Chosen to show blind spots, not to look good."""


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


def write_card(bundle: Path, classifier: Path, encoder: str, vocabulary: str, metrics: Mapping[str, Path]) -> Path:
    """Write the card of `bundle`, trained as `classifier` says from the described encoder and vocabulary.

    `metrics`: headings, and files that `evaluate --json` wrote. Raises Fatal where a file cannot be read.
    """
    loaded = Classifier.load(bundle)
    manifest = loaded.bundle.manifest
    recipe = _read(classifier / "metrics.json")["recipe"]
    measured = {heading: _read(path) for heading, path in metrics.items()}
    dev = " ".join(dict.fromkeys(row["file"] for content in measured.values() for row in content["rows"]))
    half = next(iter(measured.values())).get("half", "all")
    text = "\n".join(
        [
            _head(manifest, (bundle / MODEL).stat().st_size),
            _origin(encoder, vocabulary, recipe),
            *(_measured(heading, content, full=not i) for i, (heading, content) in enumerate(measured.items())),
            "## Limits\n\n" + (card_korean.LIMITS if _is_korean(manifest) else LIMITS),
            _probed(loaded),
            _reproduce(manifest, recipe, dev, half, _card_command(encoder, vocabulary, metrics)),
        ]
    )
    (bundle / CARD).write_text(text, encoding="utf-8")
    return bundle / CARD


def _probed(classifier: Classifier) -> str:
    labels = " | ".join(classifier.labels)
    lines = [f"| made-up sentence | {labels} | action |", "|---|" + "---|" * (len(classifier.labels) + 1)]
    for text in card_korean.PROBES if _is_korean(classifier.bundle.manifest) else PROBES:
        scores = pool(classifier.score(classifier.windows([classifier.normalise(text).text])[0]))
        values = " | ".join(f"{score:.2f}" for score in scores)
        lines.append(f"| {text} | {values} | {decide(scores, classifier.bundle.policy).action} |")
    return "What that looks like, right and wrong, as this bundle scores it:\n\n" + "\n".join(lines) + "\n"


def _is_korean(manifest: Manifest) -> bool:
    return manifest.language.split("-")[0] == "ko"


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


def _origin(encoder: str, vocabulary: str, recipe: Mapping[str, Any]) -> str:
    lines = []
    for name in recipe["train"]:
        file = Path(name).name
        data = DATASETS.get(file.split(".")[0])
        known = f": [{data.title}]({data.source}) ({data.authors}), {data.licence}: {data.note}" if data else ""
        lines.append(f"- `{file}`{known}")
    return f"""\
## What it was made from

The encoder is {encoder},
taken weight for weight into an ELECTRA encoder, which computes the same hidden states (`moderation-model warm-start`).
The vocabulary is {vocabulary}.

Fine-tuned with one linear layer on [CLS], a sigmoid for each label, unknown labels masked: {recipe["epochs"]} epochs,
batches of {recipe["batch_size"]}, learning rate {recipe["learning_rate"]}, dropout {recipe["dropout"]}, \
at most {recipe["max_length"]} tokens, seed {recipe["seed"]}.

Trained on the training parts of:

{chr(10).join(lines)}

The posts themselves are not part of this bundle. A label that has only one value in a whole source is treated as
unknown there. No test set was used.
"""


def _measured(heading: str, content: Mapping[str, Any], *, full: bool) -> str:
    """The first heading in full; of the others, which are there to compare with, what is compared."""
    shown = content if full else {key: content[key] for key in ("pooled", "three_classes") if key in content}
    return "\n".join([f"## {heading}\n", content["note"] + "\n", markdown(rows_of(content)), *summary(shown)])


def _reproduce(manifest: Manifest, recipe: Mapping[str, Any], dev: str, half: str, card: str) -> str:
    names = " ".join(Path(name).name for name in recipe["train"])
    labels = dict.fromkeys(manifest.labels) | {manifest.labels[0]: 0}
    post = json.dumps({"id": "a1", "text": "a post", "labels": labels})
    data = f"--data {dev}" + ("" if half == "all" else f" --half {half}")
    if _is_korean(manifest):
        return card_korean.MAKE_IT_AGAIN.format(
            post=post, seed=recipe["seed"], split=ROSY if half == "all" else OTHER_HALF
        )
    return f"""\
## Make it again

Get the data sets from their authors (above) and write each part as a file of JSON Lines, UTF-8, one post a line:

```json
{post}
```

`id` is any string; a label is 1, 0, or null where the source does not say.

```sh
moderation-model warm-start all-minilm-l6-v2 --out encoder
moderation-model train --encoder encoder --out classifier --epochs {recipe["epochs"]} \\
    --train {names} --dev {dev}
moderation-model export --classifier classifier --out bundle --name {manifest.name} --version {manifest.version} \\
    --quantization {manifest.quantization.replace("-static", "")} --calibration {names} --dev {dev}{_block(manifest)}
moderation-model export --classifier classifier --out fp32 --name {manifest.name} --version {manifest.version} \\
    --quantization fp32 --dev {dev}{_block(manifest)}
moderation-model evaluate --bundle bundle --reference fp32 {data} --json bundle.json
moderation-model evaluate --bundle fp32 {data} --json fp32.json
moderation-model evaluate --baseline --train {names} {data} --json floor.json
{card}
```

Development posts are those of the same sources{ROSY if half == "all" else OTHER_HALF}. Training on another CPU gives
slightly different weights.
"""


def _card_command(encoder: str, vocabulary: str, metrics: Mapping[str, Path]) -> str:
    pairs = " ".join(shlex.quote(f"{heading}={path.name}") for heading, path in metrics.items())
    return f"""\
moderation-model card --bundle bundle --classifier classifier \\
    --encoder {shlex.quote(encoder)} \\
    --vocabulary {shlex.quote(vocabulary)} \\
    --metrics {pairs}"""


def _may_block(manifest: Manifest) -> list[str]:
    return [label for label, t in manifest.policy.thresholds.items() if t.block is not None]


def _block(manifest: Manifest) -> str:
    labels = _may_block(manifest)
    return f" --block {' '.join(labels)}" if labels else ""


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
