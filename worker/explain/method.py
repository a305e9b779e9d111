"""What an explanation is, and how any method comes to one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from worker.core.errors import Fatal
from worker.core.types import Scores, Window
from worker.explain.passages import Passage, Reader

_SMALLEST = 1e-7
"""Probabilities are float32: nearer to 0 or 1 there is nothing to tell apart."""


@dataclass(frozen=True, slots=True)
class WordWeight:
    """The word at `[start, end)` (code points of the original text) and what it added to the label's log-odds."""

    start: int
    end: int
    weight: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a text has the score it has for one label.

    `score` is the text's own: the probability that serving gives, the maximum over its windows. `words` are those of
    the window that has this maximum, in order and disjoint; the others had no part in it.
    """

    label: str
    score: float
    words: tuple[WordWeight, ...]


class Method(Protocol):
    """A way to share a window's score out among its words."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The model's labels, in the order of its scores."""

    @property
    def reader(self) -> Reader:
        """Cuts texts into windows."""

    def score(self, windows: Sequence[Window]) -> list[Scores]:
        """Probabilities of any number of windows, in order."""

    def weigh(self, passage: Passage, label: int) -> list[float]:
        """What each word of the passage added to the log-odds of the label at this position."""


def explain(method: Method, text: str, label: str) -> Explanation | None:
    """Explain one label's score of `text`; None where nothing of the text can be scored.

    Raises Fatal for a label that the model does not have.
    """
    position = label_position(method.labels, label)
    carried = carrying(method, text, position)
    if carried is None:
        return None
    passage, score = carried
    weights = zip(passage.words, method.weigh(passage, position), strict=True)
    return Explanation(label, score, tuple(WordWeight(word.start, word.end, weight) for word, weight in weights))


def carrying(method: Method, text: str, label: int) -> tuple[Passage, float] | None:
    """The window whose score is the text's, and that score; the first where several have it."""
    passages = method.reader.passages(text)
    scores = [row[label] for row in method.score([passage.window for passage in passages])]
    if not scores:
        return None
    highest = max(scores)
    return passages[scores.index(highest)], highest


def label_position(labels: Sequence[str], label: str) -> int:
    """Where `label` stands among `labels`. Raises Fatal naming those there are."""
    if label not in labels:
        raise Fatal(f"the model has no label {label!r}; its labels are {', '.join(labels)}")
    return list(labels).index(label)


def log_odds(probability: float) -> float:
    """ln(p / (1 - p)), bounded: differences of it say what a word did where probabilities are all close to 1."""
    bounded = min(max(probability, _SMALLEST), 1 - _SMALLEST)
    return math.log(bounded / (1 - bounded))
