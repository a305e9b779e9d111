"""Posts to time encoders with: lines of a file, or made-up ones of a usual length."""

import random
from pathlib import Path

from tokenizers import Tokenizer

from worker.core.errors import Fatal

_MU, _SIGMA = 3.09, 0.8
"""Of the logarithm of a post's length in tokens: median 22, mean 30, 95th percentile 82, as measured on tweets and
comments (median 22, mean 30, 95th percentile 78)."""


def lines_of(path: Path, count: int) -> list[str]:
    """The first `count` lines that are not empty. Raises Fatal where there is none."""
    found: list[str] = []
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.strip():
                    found.append(line.strip())
                if len(found) == count:
                    break
    except OSError as error:
        raise Fatal(f"encoders: --posts {path}: {error.strerror}") from error
    if not found:
        raise Fatal(f"encoders: --posts {path}: holds no posts, one on a line")
    return found


def made_up(tokenizer: Tokenizer, count: int, seed: int = 0) -> list[str]:
    """Random words of the vocabulary, as many as tokens are wanted; the lengths of posts as people write them."""
    draw = random.Random(seed)
    words = sorted(word for word in tokenizer.get_vocab() if word.isascii() and word.isalpha())
    if not words:
        raise Fatal("encoders: the vocabulary holds no whole words: give --posts")
    return [" ".join(draw.choices(words, k=max(1, round(draw.lognormvariate(_MU, _SIGMA))))) for _ in range(count)]
