"""What an activation's values look like, and the range to quantize them over."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from worker.modeling.export.arithmetic import Range, scale_and_zero

Method = Literal["min-max", "percentile", "mse"]
METHODS: tuple[Method, ...] = get_args(Method)
BINS = 8192
"""Between the exact smallest and largest value: with an outlier at 28 times the usual, a bin is still a tenth of the
step that is left when the outlier is cut off. A calibrator with 2,048 bins over a masked score of -10,000 collapses
(onnxruntime#10571); masked scores are no input of a linear layer, so that none is counted here."""
_CANDIDATES = np.geomspace(0.04, 1, 64)
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts [BINS] of values in equal bins from `low` to `high`, the smallest and largest value."""

    low: float
    high: float
    counts: NDArray[np.float64]

    def centres(self) -> NDArray[np.float64]:
        """The middle of each bin."""
        width = (self.high - self.low) / len(self.counts)
        return np.asarray(self.low + width * (np.arange(len(self.counts)) + 0.5), np.float64)

    def range(self, method: Method, percentile: float = 99.99) -> Range:
        """The range to quantize over; see the three methods."""
        match method:
            case "min-max":
                return self.low, self.high
            case "percentile":
                return self.percentile_range(percentile)
            case "mse":
                return self.least_error_range()

    def percentile_range(self, percentile: float) -> Range:
        """The middle `percentile` per cent of the values: half of the rest is cut off on either side."""
        edges = np.linspace(self.low, self.high, len(self.counts) + 1)
        below = np.concatenate([[0.0], np.cumsum(self.counts)]) / self.counts.sum()
        tail = (1 - percentile / 100) / 2
        low, high = np.interp([tail, 1 - tail], below, edges).tolist()
        return low, high

    def least_error_range(self) -> Range:
        """The range with the least squared error of the values quantized to u8, both ends searched in turn."""
        values = self.centres()
        ends = [min(self.low, 0.0), max(self.high, 0.0)]
        for _ in range(_ROUNDS):
            for side in (0, 1):
                extreme = (self.low, self.high)[side]
                tried = [[*ends[:side], extreme * share, *ends[side + 1 :]] for share in _CANDIDATES]
                ends = min(tried, key=lambda pair: self._error(values, (pair[0], pair[1])))
        return float(ends[0]), float(ends[1])

    def _error(self, values: NDArray[np.float64], chosen: Range) -> float:
        step, zero = scale_and_zero(chosen)
        quantized = np.clip(np.round(values / step) + zero, 0, 255)
        return float((((quantized - zero) * step - values) ** 2 * self.counts).sum())
