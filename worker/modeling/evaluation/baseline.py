"""The floor: TF-IDF of words and characters, logistic regression. A bundle must beat it to be worth its cost."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_union

from worker.core.errors import Fatal
from worker.modeling.evaluation.scoring import ScoredSet
from worker.modeling.posts.examples import Example, read_examples, sample, source_of
from worker.modeling.posts.labelled import read_labelled
from worker.modeling.posts.overlap import folded
from worker.modeling.writing import write_text
from worker.text import normalise as normaliser
from worker.text.normalise import normalise

MIXED = "mixed"
MOST_FEATURES = 200_000
"""Of words (1-2) and of characters (1-5) each, the most frequent: more changed nothing but time."""
FEATURES = f"words 1-2, characters 1-5, min_df 2, {MOST_FEATURES:,} each, sublinear"
RECIPE = f"{FEATURES}; liblinear C 1; no text twice"
"""Part of a cached score's key: change it with the features or the regression."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a floor is fitted on.

    `shuffle_seed`: labels permuted over the posts, a control that must learn nothing. `left_out`: how many posts were
    not trained on, because their text is also in the data to be scored; None before fitting.
    """

    name: str
    train: tuple[Path, ...]
    labels: tuple[str, ...]
    most_posts: int | None = None
    shuffle_seed: int | None = None
    left_out: int | None = None

    def describe(self) -> str:
        """One line that says what was measured."""
        trained = "all" if self.most_posts is None else f"an even sample of {self.most_posts:,}"
        shuffled = "" if self.shuffle_seed is None else f" with labels shuffled (seed {self.shuffle_seed})"
        known = "" if self.left_out is None else f", without {self.left_out:,} whose text is also in the measured files"
        return (
            f"TF-IDF (words 1-2, characters 1-5) and logistic regression, trained on {trained} posts of "
            f"{', '.join(path.name for path in self.train)}{known}{shuffled}, threshold 0.5."
        )


@dataclass(frozen=True, slots=True)
class Floor:
    """A fitted floor's scores. `labels` are those whose both values it was trained on; the sets hold no others."""

    plan: Plan
    labels: tuple[str, ...]
    sets: tuple[ScoredSet, ...]


def plans(
    train: Sequence[Path],
    labels: Sequence[str],
    most_posts: int | None = None,
    shuffle_seed: int | None = None,
    per_source: bool = False,
) -> list[Plan]:
    """The floor of all training files together, and `per_source` one of each source by itself.

    Raises Fatal without files, and where one of several sources is called as the first floor is, MIXED.
    """
    if not train:
        raise Fatal("evaluate --baseline: give the floor's training files with --train")
    mixed = Plan(MIXED, tuple(train), tuple(labels), most_posts, shuffle_seed)
    sources: dict[str, list[Path]] = {}
    for path in train:
        sources.setdefault(source_of(path), []).append(path)
    if per_source and MIXED in sources and len(sources) > 1:
        raise Fatal(
            f"--train: {sources[MIXED][0]}: {MIXED!r} is the floor of all sources: let the file's name begin otherwise"
        )
    alone = [replace(mixed, name=source, train=tuple(paths)) for source, paths in sources.items()]
    return [mixed, *alone] if per_source and len(alone) > 1 else [mixed]


def fit_floor(plan: Plan, data: Sequence[Path], cache: Path | None = None) -> Floor:
    """Train on the plan's files and score those of `data`.

    Training posts whose text, but for case and white space, is also in `data` are left out: a floor must not be high
    because it remembers. With `cache`, a directory, scores are kept there (ids and scores, no text), one file for each file of `data`, and
    read again while training files, data files, labels, recipe and normaliser are the same.
    Raises Fatal where the training files hold both values of no label.
    """
    files = {path: _cached(plan, path, data, cache) for path in data} if cache else {}
    sets = {path: read_labelled(path, plan.labels) for path in data}
    found = {path: _read(file, sets[path]) for path, file in files.items() if file.exists()}
    if len(found) < len(sets):
        known, scores, left_out = _fit(plan, [sets[path] for path in data])
        for path, rows in zip(data, scores, strict=True):
            ids = [example.id for example in sets[path]]
            found[path] = {"labels": list(known), "ids": ids, "scores": rows.round(6).tolist(), "left_out": left_out}
            if cache:
                write_text(files[path], json.dumps(found[path]) + "\n")
    known = tuple(found[data[0]]["labels"])
    fitted = replace(plan, left_out=found[data[0]]["left_out"])
    return Floor(fitted, known, tuple(_scored(path, sets[path], found[path], plan.labels) for path in data))


def _fit(plan: Plan, sets: Sequence[Sequence[Example]]) -> tuple[tuple[str, ...], list[NDArray[np.float64]], int]:
    """The labels that could be learnt; for each set their probabilities [posts, labels]; how many posts were left out."""
    every = [example for path in plan.train for example in _training_posts(path, plan.labels)]
    measured = {folded(example.text) for found in sets for example in found}
    examples = [example for example in every if folded(example.text) not in measured]
    left_out = len(every) - len(examples)
    if plan.most_posts is not None:
        examples = sample(examples, plan.most_posts)
    truths = {label: _truth(examples, position) for position, label in enumerate(plan.labels)}
    learnable = {label: (rows, truth) for label, (rows, truth) in truths.items() if len(set(truth)) > 1}
    if not learnable:
        raise Fatal(
            f"evaluate --baseline: {', '.join(path.name for path in plan.train)}, given to --train: no label of "
            f"{', '.join(plan.labels)} has both values there, texts of --data left out ({left_out:,})"
        )
    texts = _texts(examples)
    features = tfidf(texts, "evaluate --baseline")
    matrix = features.transform(texts)
    held_out = [features.transform(_texts(found)) for found in sets]
    scores = [np.zeros((len(found), len(learnable))) for found in sets]
    draw = None if plan.shuffle_seed is None else np.random.default_rng(plan.shuffle_seed)
    for column, (rows, truth) in enumerate(learnable.values()):
        model = LogisticRegression(solver="liblinear", random_state=0)
        model.fit(matrix[rows], truth if draw is None else draw.permutation(truth))
        for found, held in zip(scores, held_out, strict=True):
            found[:, column] = model.predict_proba(held)[:, 1]
    return tuple(learnable), scores, left_out


def tfidf(texts: Sequence[str], wanted_by: str) -> Any:
    """What counts words and characters as they are in `texts` (`FEATURES`). Single characters: of Korean, each is a syllable.

    Raises Fatal that begins with `wanted_by` where no word is in two texts.
    """
    options = {"min_df": 2, "max_features": MOST_FEATURES, "sublinear_tf": True}
    words = TfidfVectorizer(ngram_range=(1, 2), **options)
    try:
        return make_union(words, TfidfVectorizer(analyzer="char", ngram_range=(1, 5), **options)).fit(texts)
    except ValueError as error:
        raise Fatal(f"{wanted_by}: the posts of --train are too few: {error}") from error


def _training_posts(path: Path, labels: Sequence[str]) -> list[Example]:
    try:
        return read_examples(path, labels)
    except Fatal as error:
        raise Fatal(f"--train: {error}") from error


def _truth(examples: Sequence[Example], position: int) -> tuple[list[int], list[int]]:
    """Rows whose label is known, and whether it is likelier than not."""
    known = [(i, int(v >= 0.5)) for i, e in enumerate(examples) if (v := e.labels[position]) is not None]
    return [i for i, _ in known], [truth for _, truth in known]


def _scored(path: Path, examples: Sequence[Example], found: dict[str, Any], labels: Sequence[str]) -> ScoredSet:
    positions = [labels.index(label) for label in found["labels"]]
    return ScoredSet(
        path.name,
        tuple(replace(e, labels=tuple(e.labels[k] for k in positions)) for e in examples),
        tuple(map(tuple, found["scores"])),
    )


def _cached(plan: Plan, path: Path, data: Sequence[Path], cache: Path) -> Path:
    """Where the scores of `path` are kept: the name holds everything that decides them."""
    key = hashlib.sha256(repr((RECIPE, plan.labels, plan.most_posts, plan.shuffle_seed)).encode())
    for file in (*plan.train, path, *data, *sorted(Path(normaliser.__file__).parent.glob("*.py"))):
        try:
            key.update(hashlib.sha256(file.read_bytes()).digest())
        except OSError as error:
            raise Fatal(f"{file}: cannot be read: {error}") from error
    return cache / f"{plan.name}-{path.name.split('.')[0]}-{key.hexdigest()[:16]}.json"


def _read(file: Path, examples: Sequence[Example]) -> dict[str, Any]:
    try:
        content = dict(json.loads(file.read_text(encoding="utf-8")))
        found = {name: content[name] for name in ("ids", "labels", "scores", "left_out")}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise Fatal(f"{file}: not the cached scores of a floor: {error!r}: remove it") from error
    if found["ids"] != [example.id for example in examples]:
        raise Fatal(f"{file}: not the cached scores of these posts: remove it")
    return found


def _texts(examples: Sequence[Example]) -> list[str]:
    return [normalise(example.text).text for example in examples]
