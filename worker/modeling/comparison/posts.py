"""Posts to time encoders with where no file is given: made-up ones of a usual length."""

import random

from tokenizers import Tokenizer

from worker.core.errors import Fatal

_MU, _SIGMA = 3.09, 0.8
"""Of the logarithm of a post's length in tokens: median 22, mean 30, 95th percentile 82, as measured on tweets and
comments (median 22, mean 30, 95th percentile 78)."""


def made_up(tokenizer: Tokenizer, count: int, seed: int = 0) -> list[str]:
    """Random words of the vocabulary, as many as tokens are wanted; the lengths of posts as people write them."""
    draw = random.Random(seed)
    words = sorted(word for word in tokenizer.get_vocab() if word.isascii() and word.isalpha())
    if not words:
        raise Fatal("encoders: the vocabulary holds no whole words: give --posts")
    return [" ".join(draw.choices(words, k=max(1, round(draw.lognormvariate(_MU, _SIGMA))))) for _ in range(count)]
