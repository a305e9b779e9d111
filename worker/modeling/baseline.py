"""The floor: TF-IDF of words and characters, logistic regression. A bundle must beat it to be worth its cost."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_union

from worker.core.errors import Fatal
from worker.core.policy import Threshold
from worker.modeling.examples import Example, read_examples
from worker.modeling.golden import sample
from worker.modeling.metrics import Row, measure
from worker.modeling.scoring import ScoredSet
from worker.text.normalise import normalise

MOST_FEATURES = 200_000
"""Of words (1-2) and of characters (2-5) each, the most frequent: more changed nothing but time."""


def evaluate_baseline(
    train: Sequence[Path], data: Sequence[Path], labels: Sequence[str], most_posts: int | None = None
) -> list[Row]:
    """Train on `train` (on an even sample of `most_posts` where given) and measure on `data` at threshold 0.5.

    Raises Fatal where the training files do not hold both values of a label.
    """
    examples = [example for path in train for example in read_examples(path, labels)]
    if not examples:
        raise Fatal("evaluate --baseline: give the floor's training files with --train; those given hold no posts")
    if most_posts is not None:
        examples = sample(examples, most_posts)
    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, max_features=MOST_FEATURES, sublinear_tf=True),
        TfidfVectorizer(analyzer="char", ngram_range=(2, 5), min_df=3, max_features=MOST_FEATURES, sublinear_tf=True),
    )
    matrix = features.fit_transform(_texts(examples))
    sets = [(path.name, read_examples(path, labels)) for path in data]
    held_out = [features.transform(_texts(found)) for _, found in sets]
    scores = [np.zeros((len(found), len(labels))) for _, found in sets]
    for position, label in enumerate(labels):
        known = [i for i, e in enumerate(examples) if e.labels[position] is not None]
        truth = [int((examples[i].labels[position] or 0) >= 0.5) for i in known]
        if len(set(truth)) == 1 or not truth:
            raise Fatal(f"evaluate --baseline: the files given to --train do not hold both values of {label!r}")
        model = LogisticRegression(solver="liblinear").fit(matrix[known], truth)
        for rows, held in zip(scores, held_out, strict=True):
            rows[:, position] = model.predict_proba(held)[:, 1]
    thresholds = [Threshold(0.5)] * len(labels)
    scored = [
        ScoredSet(name, tuple(found), tuple(map(tuple, rows.tolist())))
        for (name, found), rows in zip(sets, scores, strict=True)
    ]
    return [row for each in scored for row in measure(each, labels, thresholds)]


def describe_baseline(most_posts: int | None) -> str:
    """One line that says what was measured."""
    trained = "all training posts" if most_posts is None else f"an even sample of {most_posts:,} training posts"
    return f"TF-IDF (words 1-2, characters 2-5) and logistic regression, trained on {trained}, threshold 0.5."


def _texts(examples: Sequence[Example]) -> list[str]:
    return [normalise(example.text).text for example in examples]
