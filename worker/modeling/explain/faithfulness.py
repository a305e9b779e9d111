"""Faithfulness: how far the score hangs on the words that an explanation names (ERASER, DeYoung et al. 2020)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from worker.core.types import Window
from worker.explain.method import Method
from worker.explain.passages import Passage

SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)
"""Shares of a passage's words that are taken out, or left alone; rounded up. The same five as in ERASER."""


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """Means over SHARES, in probability.

    `comprehensiveness`: what the score loses without the words of the highest weight (more is better).
    `sufficiency`: what it loses where these words are all that is left (less is better).
    """

    comprehensiveness: float
    sufficiency: float


def faithfulness(method: Method, passage: Passage, weights: Sequence[float], label: int, score: float) -> Faithfulness:
    """Of one passage, whose score is `score`; words are taken out with their tokens, nothing stands for them."""
    order = sorted(range(len(weights)), key=lambda i: -weights[i])
    top = [set(order[: math.ceil(share * len(order))]) for share in SHARES]
    windows = [_kept(passage, set(order) - words) for words in top] + [_kept(passage, words) for words in top]
    lost = [score - scores[label] for scores in method.score(windows)]
    return Faithfulness(sum(lost[: len(top)]) / len(top), sum(lost[len(top) :]) / len(top))


def _kept(passage: Passage, words: set[int]) -> Window:
    window = passage.window
    inside = [token for i in sorted(words) for token in window[passage.words[i].first : passage.words[i].last]]
    return (window[0], *inside, window[-1])
