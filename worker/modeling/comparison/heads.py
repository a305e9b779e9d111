"""How much sources disagree on a label: each source's own head, and mixtures of them, on every source's posts.

A classifier ships one score for all. What a head of one source gains on its own posts, it may lose on others';
whether one score could pass a floor on each of them is a question about mixtures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from tokenizers import Tokenizer

from worker.core.errors import Fatal
from worker.model.tokenizer import load_tokenizer
from worker.modeling.evaluation.metrics import table
from worker.modeling.posts.examples import Example, source_of, tokenise
from worker.modeling.posts.labelled import check_names, read_labelled
from worker.modeling.training.config import refuse_unsaid
from worker.modeling.training.network import Classifier, device, predict_heads

COMMON = "common head"
MIXTURES = 2_000
SEED = 0
Floors = Mapping[str, float]
"""An AUROC to pass, by the name of the file."""


@dataclass(frozen=True, slots=True)
class Row:
    """A score that all posts could be ranked by: the weights of the heads' logits, and its AUROC on each file."""

    name: str
    weights: dict[str, float]
    auroc: dict[str, float]

    @property
    def mean(self) -> float:
        """Of all files."""
        return fmean(self.auroc.values())

    def margin(self, floors: Floors) -> float:
        """Over the floor that is passed by least, or missed by most."""
        return min(area - floors[name] for name, area in self.auroc.items() if name in floors)


@dataclass(frozen=True, slots=True)
class Judged:
    """Posts of a file: `truth` bool [posts], `logits` float64 [posts, heads], the common head first."""

    truth: NDArray[np.bool_]
    logits: NDArray[np.float64]


def measure(classifiers: Sequence[Path], data: Sequence[Path], label: str, floors: Floors) -> list[Row]:
    """Each head alone, then the mixture of the best mean and, with `floors`, the one of the best margin.

    Logits are the mean of `classifiers`; one that is given twice counts twice, and is asked once. Raises Fatal where these
    differ in labels or have no head of a file's source, where a file cannot be read or does not know both values of `label`,
    or where `floors` are of none of them.
    """
    check_names(data)
    sources = list(dict.fromkeys(map(source_of, data)))
    loaded = {path: (_load(path, label, sources), load_tokenizer(path / "tokenizer.json")) for path in classifiers}
    labels = loaded[classifiers[0]][0].config.labels
    for path, (model, _) in loaded.items():
        if model.config.labels != labels:
            raise Fatal(f"--classifier {path}: has the labels {' '.join(model.config.labels)}, not {' '.join(labels)}")
    if floors and not floors.keys() & {path.name for path in data}:
        raise Fatal(f"--floors: of {', '.join(floors)}, none of which is in --data")
    position = labels.index(label)
    known = {path: _known(path, labels, position) for path in data}
    posts = {}
    for path, (found, truth) in known.items():
        said = {each: _logits(*model, found, sources)[:, :, position] for each, model in loaded.items()}
        posts[path.name] = Judged(truth, np.mean([said[each] for each in classifiers], axis=0))
    return compare([COMMON, *sources], posts, floors)


def _load(path: Path, label: str, sources: Sequence[str]) -> Classifier:
    model = Classifier.load(path).to(device())
    if label not in model.config.labels:
        raise Fatal(f"--label {label!r}: {path} has the labels {' '.join(model.config.labels)}")
    refuse_unsaid(model.config, path)
    taught = [name for name, known in model.config.source_labels.items() if label in known]
    if lacking := [name for name in sources if label not in model.config.source_labels.get(name, ())]:
        raise Fatal(
            f"--classifier {path}: has no head of {lacking[0]} (the first part of a file's name in --data) that learnt {label}, "
            f"but of: {' '.join(taught) or 'no source; `train --source-heads` makes them'}"
        )
    return model


def _known(path: Path, labels: Sequence[str], position: int) -> tuple[list[Example], NDArray[np.bool_]]:
    """Posts of a file whose label is known, and whether they have it."""
    pairs = [
        (post, value >= 0.5) for post in read_labelled(path, labels) if (value := post.labels[position]) is not None
    ]
    if len({value for _, value in pairs}) < 2:
        raise Fatal(f"--data {path}: does not know both values of {labels[position]!r}")
    return [post for post, _ in pairs], np.array([value for _, value in pairs])


def _logits(
    model: Classifier, tokenizer: Tokenizer, posts: Sequence[Example], sources: Sequence[str]
) -> NDArray[np.float64]:
    """Of the common head and of those of `sources`: [posts, heads, labels]."""
    heads = [0, *(1 + model.config.sources.index(name) for name in sources)]
    rows = tokenise(tokenizer, posts, model.config.max_length, model.config.normalisation)
    found: NDArray[np.float64] = predict_heads(model, rows)[:, heads].double().numpy()
    return found


def compare(heads: Sequence[str], posts: Mapping[str, Judged], floors: Floors) -> list[Row]:
    """As `measure`.

    Mixtures have weights from 0, drawn at random, and are chosen on the posts they are measured on: what is told of the best
    is more than it would be worth on others.
    """
    draws = np.random.default_rng(SEED).dirichlet(np.full(len(heads), 0.7), MIXTURES)  # below 1: few heads weigh most
    rows = [_row(weights, heads, posts) for weights in np.vstack([np.eye(len(heads)), draws])]
    found = [replace(row, name=name) for row, name in zip(rows, heads, strict=False)]
    found.append(replace(max(rows, key=lambda row: row.mean), name="best mean"))
    if floors:
        found.append(replace(max(rows, key=lambda row: row.margin(floors)), name="best margin"))
    return found


def markdown(rows: Sequence[Row], floors: Floors) -> str:
    """A table of the rows, with the floors below."""
    files = list(rows[0].auroc)
    cells = [[_title(row, floors), *(f"{row.auroc[f]:.3f}" for f in files), f"{row.mean:.4f}"] for row in rows]
    if floors:
        cells.append(["floor", *(f"{floors[f]:.3f}" if f in floors else "-" for f in files), ""])
    return table(["score", *files, "mean"], cells)


def _row(weights: NDArray[np.float64], heads: Sequence[str], posts: Mapping[str, Judged]) -> Row:
    auroc = {file: float(roc_auc_score(each.truth, each.logits @ weights)) for file, each in posts.items()}
    return Row("", {head: float(weight) for head, weight in zip(heads, weights, strict=True)}, auroc)


def _title(row: Row, floors: Floors) -> str:
    if row.name in row.weights:
        return row.name if row.name == COMMON else f"head of {row.name}"
    parts = ", ".join(f"{head} {weight:.2f}" for head, weight in row.weights.items() if weight >= 0.005)
    margin = f" ({row.margin(floors):+.4f})" if floors else ""
    return f"mixture of {row.name}{margin}: {parts}"
