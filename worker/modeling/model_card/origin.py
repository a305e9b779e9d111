"""What a bundle was made from: its encoder, the choices of its training, and its posts."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

from worker.modeling.model_card.about import About
from worker.modeling.model_card.datasets import DATASETS
from worker.modeling.model_card.runs import Run
from worker.modeling.posts.examples import source_of
from worker.modeling.training.recipe import Recipe

HEADS = {"cls": "one linear layer on [CLS]", "lstm": "an LSTM over the tokens' states and one linear layer"}
KINDS = {
    "train": "Labelled posts, the training parts of:",
    "clean": "Posts that are taken to bear no label at all:",
    "unlabelled": "Posts of which only the teachers' scores were learnt, no label:",
}
"""By the recipe's name for a list of files."""
ONE_VALUE = "A label that has only one value in a whole source {} there."
_ELSEWHERE = {*KINDS, "encoder", "teacher_scores", "seed", "max_length", "labels", "head"}
_USUAL = {k: [*v] if isinstance(v, tuple) else v for k, v in asdict(Recipe(encoder="", train=())).items()}
"""What a recipe has that does not say otherwise, as its JSON says it; one from before an option was there says nothing of it."""


def origin(told: About, runs: Sequence[Run], teachers: Mapping[str, Run] = MappingProxyType({})) -> str:
    """The section.

    `runs`: the trainings that the classifier went through, the first one first; `teachers`: the last training of each
    other one that taught it, by a name.
    """
    named = told.teachers or ("teachers that are not named here" if any(r.taught for r in runs) else "")
    more = [_beside(name, run.recipe, runs[0].recipe) for name, run in teachers.items()]
    more += [f"Taught by: {named}."] if named else []
    more += [told.data.strip()] if told.data else []
    return "\n".join(
        [
            "## What it was made from\n",
            f"The encoder is {told.encoder}{_taken(runs[0].start) if runs[0].start else ''}.",
            f"The vocabulary is {told.vocabulary}.{_restored(runs[0])}\n",
            *(f"{_heading(i, run, len(runs))}{_run(run)}\n" for i, run in enumerate(runs)),
            *(f"{part}\n" for part in more),
            "The posts themselves are not part of this bundle. No test set was used.\n",
        ]
    )


def _restored(first: Run) -> str:
    told = "whose model card names what that had learnt from and under which licences (`moderation-model restore`)"
    return f" Training went on from the bundle {first.restored}, {told}." if first.restored else ""


def _heading(i: int, run: Run, count: int) -> str:
    if count == 1:
        return ""
    lost = f"Its embeddings were {_factorised(run.start)}.\n\n" if i and run.start and run.start["factorised"] else ""
    return f"### Training {i + 1} of {count}\n\n{lost}"


def _run(run: Run) -> str:
    """One training: how, and from which posts."""
    recipe = run.recipe
    every = (recipe, *run.averaged)
    files = {kind: [*dict.fromkeys(name for each in every for name in each.get(kind, ()))] for kind in KINDS}
    if all(
        each.get("teacher_scores") and each.get("teacher_weight") == 1 and not each.get("tfidf_shares")
        for each in every
    ):  # TF-IDF learns the labels of `train`
        own = {source for each in every for source in each.get("own_labels", ())}
        files["unlabelled"] += [name for name in files["train"] if source_of(Path(name)) not in own]
        files["train"] = [name for name in files["train"] if source_of(Path(name)) in own]
    posts = "\n\n".join(f"{heading}\n\n{_files(files[kind])}" for kind, heading in KINDS.items() if files[kind])
    return f"""\
Fine-tuned with {HEADS[recipe.get("head", "cls")]}, a sigmoid for each label, unknown labels masked, at most \
{recipe["max_length"]} tokens, seed {recipe["seed"]}. What was chosen (`moderation-model train` and `distill` explain it):

{_choices(recipe)}
{_mean(run)}
{posts}

{ONE_VALUE.format("counts" if files["clean"] else "is unknown")}
"""


def _mean(run: Run) -> str:
    if not run.averaged:
        return ""
    others = "; ".join(_changed(recipe, run.recipe) for recipe in run.averaged)
    return (
        f"\nIts weights are the mean of those of {1 + len(run.averaged)} trainings: of this one, and of others like it but "
        f"for: {others} (`moderation-model average`).\n"
    )


def _beside(name: str, recipe: Mapping[str, Any], first: Mapping[str, Any]) -> str:
    """Another teacher's training, by what sets it apart from the first one that is told in full."""
    return f"`{name}` taught it too, trained as in the first training above but for: {_changed(recipe, first)}."


def _changed(recipe: Mapping[str, Any], first: Mapping[str, Any]) -> str:
    told, known = (
        {name: _plain(each.get(name, _USUAL.get(name)), None) or "none" for name in dict.fromkeys((*each, *_USUAL))}
        for each in (recipe, first)
    )
    return ", ".join(f"{k} {value}" for k, value in told.items() if value != known.get(k)) or "nothing"


def _taken(start: Mapping[str, Any]) -> str:
    """How the encoder's weights were taken over."""
    emoji = start.get("emoji")
    exact = ", which computes the same hidden states" if not (start.get("factorised") or emoji) else ""
    text = f",\ntaken weight for weight into an ELECTRA encoder{exact} (`moderation-model warm-start`)"
    if start.get("factorised"):
        text += f", all but its embeddings: those were {_factorised(start)}"
    if emoji:
        text += f"; {len(emoji)} emoji took spare rows of its embeddings"
    return text


def _factorised(start: Mapping[str, Any]) -> str:
    return (
        f"factorised to {start['factorised']['dimensions']} dimensions and fitted to the original ones, of whose energy "
        f"{start['factorised']['fitted']:.0%} was lost"
    )


def _choices(recipe: Mapping[str, Any]) -> str:
    """What the recipe says that its default does not, as a table; files are named elsewhere."""
    always = ("epochs", "learning_rate", "batch_size", "dropout")
    lines = ["| option | value |", "|---|---|"]
    for name, value in recipe.items():
        if name not in _ELSEWHERE and (name in always or value != _USUAL.get(name)):
            lines.append(f"| {name} | {_plain(value, _USUAL.get(name))} |")
    return "\n".join(lines)


def _plain(value: Any, usual: Any) -> str:
    if isinstance(value, str):
        return Path(value).name  # a teacher's directory, say
    if isinstance(value, (list, tuple)):
        return " ".join(_plain(each, None) for each in value)
    if not isinstance(value, Mapping):
        return str(value)
    return ", ".join(f"{k} {v}" for k, v in value.items() if not isinstance(usual, Mapping) or v != usual.get(k))


def _files(files: Sequence[str]) -> str:
    lines = []
    for name in files:
        file = Path(name).name
        data = DATASETS.get(re.split(r"[.-]", file)[0])
        known = ""
        if data:
            title = f"[{data.title}]({data.source})" if data.source else data.title
            known = f": {title} ({data.authors}), {data.licence}: {data.note}"
        lines.append(f"- `{file}`{known}")
    return "\n".join(lines)
