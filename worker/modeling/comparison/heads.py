"""How much sources disagree on a label: each source's own head, and mixtures of them, on every source's posts.

A classifier ships one score for all. What a head of one source gains on its own posts, it may lose on others';
whether one score could pass a floor on each of them is a question about mixtures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from worker.core.errors import Fatal
from worker.model.tokenizer import load_tokenizer
from worker.modeling.evaluation.metrics import table
from worker.modeling.posts.examples import Example, read_examples, source_of, tokenise
from worker.modeling.training.network import Classifier, device, predict_logits

COMMON = "common"
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
class _Posts:
    truth: NDArray[np.bool_]
    logits: NDArray[np.float64]
    """[posts, heads], the common head first."""


def measure(classifiers: Sequence[Path], data: Sequence[Path], label: str, floors: Floors) -> list[Row]:
    """Each head alone, then of many mixtures the one of the best mean and, with `floors`, the one of the best margin.

    Mixtures are chosen on the posts that they are measured on: no score of these heads does better by much. Logits are the
    mean of `classifiers`. Raises Fatal where they have no head of a file's source, or a file does not know both values.
    """
    loaded = [(Classifier.load(path).to(device()), path) for path in classifiers]
    heads = [COMMON, *dict.fromkeys(map(source_of, data))]
    for model, path in loaded:
        if lacking := [name for name in heads[1:] if name not in model.config.sources]:
            raise Fatal(f"{path}: has no head of {lacking[0]}: `moderation-model train --source-heads` makes them")
        if label not in model.config.labels:
            raise Fatal(f"{path}: has no label {label!r}, but {' '.join(model.config.labels)}")
    if floors and not floors.keys() & {path.name for path in data}:
        raise Fatal(f"--floors: of {', '.join(floors)}, none of which is in --data")
    posts = {path.name: _read(loaded, path, heads, label) for path in data}
    alone = [_row(name, np.eye(len(heads))[i], heads, posts) for i, name in enumerate(heads)]
    draws = np.random.default_rng(SEED).dirichlet(np.full(len(heads), 0.7), MIXTURES)
    mixed = [_row("mixture", weights, heads, posts) for weights in draws]
    found = [*alone, _named("best mean", max(mixed, key=lambda row: row.mean))]
    if floors:
        found.append(_named("best margin over all floors", max(mixed, key=lambda row: row.margin(floors))))
    return found


def markdown(rows: Sequence[Row], floors: Floors) -> str:
    """A table of the rows, with the floors below."""
    files = list(rows[0].auroc)
    cells = [[_title(row), *(f"{row.auroc[f]:.3f}" for f in files), f"{row.mean:.4f}"] for row in rows]
    if floors:
        cells.append(["floor", *(f"{floors[f]:.3f}" if f in floors else "-" for f in files), ""])
    return table(["score", *files, "mean"], cells)


def _read(loaded: Sequence[tuple[Classifier, Path]], path: Path, heads: Sequence[str], label: str) -> _Posts:
    truth = np.array([post.labels[0] >= 0.5 for post in _known(path, label)])  # type: ignore[operator]
    if len(set(truth.tolist())) < 2:
        raise Fatal(f"{path}: does not know both values of {label!r}")
    logits = [_logits(model, directory, path, heads, label) for model, directory in loaded]
    return _Posts(truth, np.mean(logits, axis=0))


def _logits(model: Classifier, directory: Path, path: Path, heads: Sequence[str], label: str) -> NDArray[np.float64]:
    config = model.config
    tokenizer = load_tokenizer(directory / "tokenizer.json")
    rows = tokenise(tokenizer, _known(path, label), config.max_length, config.normalisation)
    position = config.labels.index(label)
    common = predict_logits(model, rows)[:, position].double().numpy()
    sources = [[config.sources.index(name)] * len(rows) for name in heads[1:]]
    means = [predict_logits(model, rows, source)[:, position].double().numpy() for source in sources]
    return np.stack([common, *(2 * mean - common for mean in means)], axis=1)  # of the common head and a source's


def _known(path: Path, label: str) -> list[Example]:
    return [post for post in read_examples(path, [label]) if post.labels[0] is not None]


def _row(name: str, weights: NDArray[np.float64], heads: Sequence[str], posts: Mapping[str, _Posts]) -> Row:
    auroc = {file: float(roc_auc_score(each.truth, each.logits @ weights)) for file, each in posts.items()}
    return Row(name, {head: float(w) for head, w in zip(heads, weights, strict=True)}, auroc)


def _named(name: str, row: Row) -> Row:
    return Row(name, row.weights, row.auroc)


def _title(row: Row) -> str:
    if row.name in row.weights:
        return f"head of {row.name}" if row.name != COMMON else "common head"
    parts = " ".join(f"{head} {weight:.2f}" for head, weight in row.weights.items() if weight >= 0.005)
    return f"mixture of {row.name}: {parts}"
