"""Two halves of every development set: one to choose with, the other to report on."""

import hashlib
from collections.abc import Iterable
from typing import Literal

from worker.modeling.posts.examples import Example

Half = Literal["selection", "report"]
HALVES: tuple[Half, ...] = ("selection", "report")


def half_of(post_id: str) -> Half:
    """The half a post belongs to: `selection` where the first byte of the SHA-256 of its id (UTF-8) is even.

    `selection` is for early stopping, calibration and thresholds, `report` for the figures that are published: a
    threshold looks good on the posts that chose it. It depends on nothing but the id, so that every tool, today and
    later, in whatever order of rows, agrees on it.
    """
    return HALVES[hashlib.sha256(post_id.encode()).digest()[0] % 2]


def other_half(half: Half) -> Half:
    """The half that `half` is not."""
    return "report" if half == "selection" else "selection"


def only(examples: Iterable[Example], which: Half | Literal["all"]) -> list[Example]:
    """The examples of one half, in their order, or all of them."""
    return [example for example in examples if which == "all" or half_of(example.id) == which]
