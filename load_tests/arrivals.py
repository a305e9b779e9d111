"""When posts are sent, decided beforehand: a worker that is slow must not slow its load down (an open loop)."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path


def poisson(per_second: float, seconds: float, shape: Sequence[float] = (1.0,), seed: int = 0) -> Iterator[float]:
    """Seconds from the start at which independent authors post.

    `shape` cuts the time into equal parts and multiplies the rate in each.
    """
    random_ = random.Random(seed)
    part = seconds / len(shape)
    for number, multiple in enumerate(shape):
        at, end = number * part, (number + 1) * part
        # A Poisson process has no memory: each part may begin anew.
        while multiple > 0 and (at := at + random_.expovariate(per_second * multiple)) < end:
            yield at


def even(per_second: float, seconds: float) -> Iterator[float]:
    """Seconds from the start, all the same distance apart."""
    return (number / per_second for number in range(int(per_second * seconds)))


def recorded(path: Path) -> tuple[float, ...]:
    """A shape from a file: one number a line, such as posts in each minute of a day; brought to a mean of 1.

    Raises ValueError where it holds anything else.
    """
    counts = [float(line) for line in path.read_text(encoding="utf-8").split()]
    if not counts or min(counts) < 0 or not 0 < sum(counts) < float("inf"):
        raise ValueError(f"{path} must hold counts, one a line, not all of them 0")
    return tuple(count * len(counts) / sum(counts) for count in counts)
