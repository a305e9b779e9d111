"""Labelled posts through the serving path: normalise, tokenise, windows, score, pool."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worker.core.pooling import pool
from worker.core.types import Scores, Window
from worker.model.classifier import Classifier
from worker.modeling.posts.examples import Example
from worker.modeling.posts.halves import Half, half_of

BATCH_TOKENS = 512
"""Model only, 2 cores: 1,418 posts/s at 256, 1,443 at 512, 1,265 at 1,024."""


@dataclass(frozen=True, slots=True)
class ScoredSet:
    """The posts of one file and their scores, in the same order."""

    name: str
    examples: tuple[Example, ...]
    scores: tuple[Scores, ...]


def score_set(classifier: Classifier, name: str, examples: Sequence[Example]) -> ScoredSet:
    """Score posts as the worker would. Posts without a token, which the worker sends to review, are left out."""
    prepared = classifier.windows([classifier.normalise(example.text).text for example in examples])
    owners = [(owner, window) for owner, windows in enumerate(prepared) for window in windows]
    found: list[list[Scores]] = [[] for _ in examples]
    for batch in batches(owners):
        for (owner, _), scores in zip(batch, classifier.score([window for _, window in batch]), strict=True):
            found[owner].append(scores)
    kept = [(example, pool(scores)) for example, scores in zip(examples, found, strict=True) if scores]
    return ScoredSet(name, tuple(example for example, _ in kept), tuple(scores for _, scores in kept))


def batches(owners: Sequence[tuple[int, Window]]) -> Iterator[list[tuple[int, Window]]]:
    """Windows of like length together, at most BATCH_TOKENS of padded tokens at a time."""
    batch: list[tuple[int, Window]] = []
    for pair in sorted(owners, key=lambda pair: len(pair[1])):
        if batch and len(pair[1]) * (len(batch) + 1) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(pair)
    if batch:
        yield batch


def with_scores(scored: ScoredSet, scores: NDArray[np.float64]) -> ScoredSet:
    """The same posts with other scores, float64 [posts, labels]."""
    return replace(scored, scores=tuple(map(tuple, scores.tolist())))


def of_half(scored: ScoredSet, which: Half | Literal["all"]) -> ScoredSet:
    """The posts of one half of a set, in their order, or the set itself."""
    if which == "all":
        return scored
    pairs = zip(scored.examples, scored.scores, strict=True)
    kept = [pair for pair in pairs if half_of(pair[0].id) == which]
    return ScoredSet(scored.name, tuple(example for example, _ in kept), tuple(scores for _, scores in kept))
