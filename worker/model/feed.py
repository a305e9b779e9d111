"""Windows of token ids to the arrays a bundle's graph takes, for both layouts."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from worker.core.types import Window
from worker.model.manifest import Layout

Feed: TypeAlias = dict[str, NDArray[Any]]

MASKED = np.float32(-1e4)
"""Added to the attention scores of padding: its weight is below float32's resolution beside any real token's."""

INPUTS: dict[Layout, frozenset[str]] = {
    "packed": frozenset({"ids", "positions", "pad", "unpad", "first", "bias"}),
    "padded": frozenset({"ids", "positions", "bias"}),
}


def feed(windows: Sequence[Window], layout: Layout) -> Feed:
    """The graph's inputs for a batch of windows (at least one, each of at least one token), S the longest.

    padded: ids int32 [windows, S], positions int32 [1, S], bias float32 [windows, 1, 1, S].
    packed, T tokens in all: ids and positions int32 [T]; pad int32 [windows, S], the row of each cell of the padded
    rectangle (a padding cell repeats its window's first); unpad int32 [T], the cell of each row; first int32
    [windows], the row of each window's [CLS]; bias as above.
    """
    count = len(windows)
    lengths = np.fromiter(map(len, windows), np.int32, count)
    longest = int(lengths.max())
    tokens = np.fromiter(chain.from_iterable(windows), np.int32, int(lengths.sum()))
    columns = np.arange(longest, dtype=np.int32)[None, :]
    real = columns < lengths[:, None]
    bias = np.where(real, np.float32(0), MASKED)[:, None, None, :]
    if layout == "padded":
        ids = np.zeros((count, longest), np.int32)
        ids[real] = tokens
        return {"ids": ids, "positions": columns, "bias": bias}
    first = np.zeros(count, np.int32)
    np.cumsum(lengths[:-1], out=first[1:])
    return {
        "ids": tokens,
        "positions": np.broadcast_to(columns, real.shape)[real],
        "pad": np.where(real, first[:, None] + columns, first[:, None]),
        "unpad": np.flatnonzero(real).astype(np.int32),
        "first": first,
        "bias": bias,
    }
