"""Scores of windows that were scored lately, by a fingerprint of their content."""

from array import array
from collections import OrderedDict
from hashlib import blake2b

from worker.core.types import Scores, Window

_BYTES = 16
"""Nobody finds two windows with the same 128 bits by trying, so that one could take the other's scores."""


def fingerprint(window: Window) -> bytes:
    """BLAKE2b of the token ids. Nothing of a post can be read from it."""
    return blake2b(array("i", window).tobytes(), digest_size=_BYTES).digest()


class Known:
    """At most `size` windows' scores: whose was asked for longest ago goes first. Of one model: it dies with the process."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._scores: OrderedDict[bytes, Scores] = OrderedDict()

    def __len__(self) -> int:
        return len(self._scores)

    def get(self, name: bytes) -> Scores | None:
        """The scores of the window with this fingerprint, if they are known."""
        scores = self._scores.get(name)
        if scores is not None:
            self._scores.move_to_end(name)
        return scores

    def put(self, name: bytes, scores: Scores) -> None:
        """Remember."""
        self._scores[name] = scores
        self._scores.move_to_end(name)
        if len(self._scores) > self._size:
            self._scores.popitem(last=False)
