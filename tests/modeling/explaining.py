"""A method to explain with whose scores and weights are known beforehand."""

import math
from collections.abc import Sequence
from pathlib import Path

from worker.core.types import Scores, Window
from worker.explain.passages import Passage, Reader
from worker.model.tokenizer import load_tokenizer


class Counting:
    """The log-odds of `rude` are 4 for each token `bad`, less 2; those of `long` go by nothing. Implements Method."""

    labels = ("rude", "long")

    def __init__(self, tokenizer_file: Path) -> None:
        tokenizer = load_tokenizer(tokenizer_file)
        self.reader = Reader(tokenizer, 64, 8)
        self._bad: int = tokenizer.token_to_id("bad") or -1

    def score(self, windows: Sequence[Window]) -> list[Scores]:
        return [(1 / (1 + math.exp(2 - 4 * list(window).count(self._bad))), 0.25) for window in windows]

    def weigh(self, passage: Passage, label: int) -> list[float]:
        """Of `rude` 4 for each `bad`; of `long` the letters of each word."""
        if label == 1:
            return [float(word.end - word.start) for word in passage.words]
        return [4.0 * passage.window[word.first : word.last].count(self._bad) for word in passage.words]
