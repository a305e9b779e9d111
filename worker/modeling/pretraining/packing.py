"""Texts as one stream of tokens, cut into full sequences: no padding, nothing wasted."""

import hashlib
from collections.abc import Iterable
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from worker.core.errors import Fatal
from worker.model.tokenizer import encode, special_token

_AT_ONCE = 4096


class Packed:
    """Sequences `[CLS] text [SEP] text … [SEP]` of exactly `max_length` tokens; what is left at the end is dropped.

    Raises Fatal where they do not fill one sequence.
    """

    def __init__(self, tokenizer: Tokenizer, texts: Iterable[str], max_length: int) -> None:
        self._cls, self._sep = special_token(tokenizer, "[CLS]"), special_token(tokenizer, "[SEP]")
        self._body = max_length - 2
        parts = []
        rest = iter(texts)
        while some := list(islice(rest, _AT_ONCE)):
            found = encode(tokenizer, some)
            parts.append(np.array([i for ids in found if ids for i in (*ids, self._sep)], np.int32))
        self._stream = np.concatenate(parts) if parts else np.zeros(0, np.int32)
        self.count = len(self._stream) // self._body
        if not self.count:
            raise Fatal(
                f"--texts: the files hold {len(self._stream)} tokens, fewer than one sequence of {self._body}: "
                "give more texts or a smaller --max-length"
            )

    @property
    def tokens(self) -> int:
        """In all, the ends of texts counted."""
        return len(self._stream)

    def digest(self) -> str:
        """SHA-256 of the tokens: whether a run that goes on has the same texts."""
        return hashlib.sha256(self._stream.tobytes()).hexdigest()

    def batch(self, step: int, size: int, seed: int) -> NDArray[np.int64]:
        """Sequences of one step: int64 [size, max_length]. Every epoch takes all of them, in an order of its own."""
        numbers = range(step * size, (step + 1) * size)
        rows = np.empty((size, self._body + 2), np.int64)
        rows[:, 0], rows[:, -1] = self._cls, self._sep
        for row, number in zip(rows, numbers, strict=True):
            epoch, place = divmod(number, self.count)
            start = int(self._order(epoch, seed)[place]) * self._body
            row[1:-1] = self._stream[start : start + self._body]
        return rows

    def _order(self, epoch: int, seed: int) -> NDArray[np.int64]:
        if getattr(self, "_ordered", None) != (epoch, seed):
            self._ordered = (epoch, seed)
            self._permutation = np.random.default_rng([seed, epoch]).permutation(self.count)
        return self._permutation
