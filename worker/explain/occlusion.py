"""Occlusion: a word's weight is how far the label's log-odds fall without it (Zeiler and Fergus 2014; Li et al. 2016).

It asks nothing of the model but scores, so it explains exactly what serving decided, quantization included.
"""

from collections.abc import Iterator, Sequence

from worker.core.types import Scores, Window
from worker.explain.method import log_odds
from worker.explain.passages import Passage, Reader
from worker.model.classifier import Classifier

BATCH_TOKENS = 512
"""Padded tokens of one model call: the serving default, and as fast as any."""


class Occlusion:
    """Weighs words by leaving them out, or by `[MASK]` in their place. Implements Method.

    Left out, because a classifier never met [MASK] in training: in a neutral word's place it moves the score. Both agree
    about as well with what people marked (docs/explain.md).

    The cost is bounded: every window of the text is scored once, then only the one that carried the score again, once
    for each of its words, so at most `max_length` - 2 times.
    """

    def __init__(self, classifier: Classifier, *, mask: bool = False) -> None:
        self.labels = classifier.labels
        self.reader = Reader.of(classifier)
        self._classifier = classifier
        self._mask = self.reader.token("[MASK]") if mask else None

    def score(self, windows: Sequence[Window]) -> list[Scores]:
        """See Method: through the serving session, in calls within its token budget."""
        return [scores for batch in _batches(windows) for scores in self._classifier.score(batch)]

    def weigh(self, passage: Passage, label: int) -> list[float]:
        """See Method."""
        variants = [self._without(passage.window, word.first, word.last) for word in passage.words]
        whole, *rest = (log_odds(scores[label]) for scores in self.score([passage.window, *variants]))
        return [whole - without for without in rest]

    def _without(self, window: Window, first: int, last: int) -> Window:
        instead = [] if self._mask is None else [self._mask] * (last - first)
        return (*window[:first], *instead, *window[last:])


def _batches(windows: Sequence[Window]) -> Iterator[Sequence[Window]]:
    """Neighbours together, as many as fit: the variants of one window are about equally long."""
    start = 0
    while start < len(windows):
        end, longest = start, 0
        while end < len(windows):
            longest = max(longest, len(windows[end]))
            if end > start and longest * (end - start + 1) > BATCH_TOKENS:
                break
            end += 1
        yield windows[start:end]
        start = end
