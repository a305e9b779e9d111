"""How linear layers and word embeddings compute in an exported graph: float32, or int8 with static scales.

Static activation scales, calibrated once, are what makes a score independent of its batch: dynamic quantization
takes one scale for all rows of a batch, so that a post's score depends on its neighbours (12-15 % of decisions
flipped between batchings in a stress test).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from worker.modeling.export.graph import MICROSOFT, GraphBuilder

Floats = NDArray[np.float32]
Range = tuple[float, float]
"""Smallest and largest value an activation took during calibration."""
Factors = Mapping[str, Floats]
"""What the channels of layers' inputs are divided by, float32 [width]; see `smoothing`. Those without stay as they are."""
NONE: Factors = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Activation:
    """A value made ready to be multiplied: itself, or its u8 form with scale and zero point.

    `factors` [width]: what its channels were divided by, and the weights have to make up for.
    """

    value: str
    scale: str = ""
    zero: str = ""
    factors: Floats | None = None


class Arithmetic(Protocol):
    """The operators that differ between float32 and int8 graphs."""

    def activation(self, graph: GraphBuilder, value: str, site: str) -> Activation:
        """Prepare `value` for one or more `linear`; `site` names its calibrated range."""

    def linear(self, graph: GraphBuilder, x: Activation, weight: Floats, bias: Floats, name: str) -> str:
        """`x @ weight + bias`, float32; weight [in, out], bias [out]."""

    def rows(self, graph: GraphBuilder, table: Floats, indices: str, name: str) -> str:
        """Rows of `table` [entries, width], float32."""


class Float32:
    """No quantization: for reference."""

    def activation(self, graph: GraphBuilder, value: str, site: str) -> Activation:  # noqa: ARG002
        """Nothing to prepare."""
        return Activation(value)

    def linear(self, graph: GraphBuilder, x: Activation, weight: Floats, bias: Floats, name: str) -> str:
        """A matrix product and a sum."""
        product = graph.op("MatMul", x.value, graph.constant(f"{name}.weight", weight))
        return graph.op("Add", product, graph.constant(f"{name}.bias", bias))

    def rows(self, graph: GraphBuilder, table: Floats, indices: str, name: str) -> str:
        """Rows as they are."""
        return graph.op("Gather", graph.constant(name, table), indices)


class StaticInt8:
    """u8 activations with calibrated scales, s8 weights with one scale for each output, s8 embedding rows.

    `bits` 7 halves the range of the weights: the sum of two products then fits the 16 bits that x86 kernels
    without VNNI use (2 × 255 × 63 < 2^15), at the price of precision. Layers whose input is one of the sites in
    `keep` stay in float32. `factors` [width] of a site: its channels are divided by them, and `ranges` are of the result.
    """

    def __init__(
        self,
        ranges: Mapping[str, Range],
        bits: int = 8,
        keep: Collection[str] = (),
        factors: Factors = NONE,
    ) -> None:
        self._ranges = ranges
        self._largest = largest_weight(bits)
        self._keep = keep
        self._factors = factors

    def activation(self, graph: GraphBuilder, value: str, site: str) -> Activation:
        """Quantize to u8."""
        if site in self._keep:
            return Activation(value)
        step, zero_point = scale_and_zero(self._ranges[site])
        factors = self._factors.get(site)
        shrink = None if factors is None else np.reciprocal(factors)
        prepared = activation_of(graph, value, site, np.array(step), np.array(zero_point, np.uint8), shrink)
        return replace(prepared, factors=factors)

    def linear(self, graph: GraphBuilder, x: Activation, weight: Floats, bias: Floats, name: str) -> str:
        """An integer product, exact in int32 whatever the batch, then scales and bias."""
        if not x.scale:
            return Float32().linear(graph, x, weight, bias, name)
        made_up = weight if x.factors is None else weight * x.factors[:, None]
        quantized, scales = quantize(made_up, axis=0, largest=self._largest)
        return product_of(graph, x, name, quantized, scales.reshape(-1), bias)

    def rows(self, graph: GraphBuilder, table: Floats, indices: str, name: str) -> str:
        """s8 rows times their scales: a quarter of the file, and frequent words lose nothing to rare ones."""
        return rows_of(graph, indices, name, *quantize(table, axis=1, largest=127))


def activation_of(
    graph: GraphBuilder, value: str, site: str, step: NDArray[Any], zero_point: NDArray[Any], shrink: Floats | None
) -> Activation:
    """`value` as u8 values of `step` around `zero_point`, its channels multiplied by `shrink` before."""
    scale, zero = graph.constant(f"{site}.scale", step), graph.constant(f"{site}.zero", zero_point)
    if shrink is not None:
        value = graph.op("Mul", value, graph.constant(f"{site}.factors", shrink))
    return Activation(graph.op("QuantizeLinear", value, scale, zero), scale, zero)


def product_of(
    graph: GraphBuilder, x: Activation, name: str, weight: NDArray[np.int8], scales: Floats, bias: Floats
) -> str:
    """`x` times the s8 `weight` [in, out], times both scales, plus `bias` [out]."""
    return graph.op(
        "MatMulIntegerToFloat",
        x.value,
        graph.constant(f"{name}.weight", weight),
        x.scale,
        graph.constant(f"{name}.scales", scales),
        x.zero,
        "",
        graph.constant(f"{name}.bias", bias),
        domain=MICROSOFT,
    )


def rows_of(graph: GraphBuilder, indices: str, name: str, table: NDArray[np.int8], scales: Floats) -> str:
    """Rows of an s8 `table` times their `scales` [entries, 1]."""
    values = graph.op("Gather", graph.constant(name, table), indices)
    steps = graph.op("Gather", graph.constant(f"{name}.scales", scales), indices)
    return graph.op("Mul", graph.op("Cast", values, to=1), steps)


def largest_weight(bits: int) -> int:
    """Weights lie within ± this."""
    return int(2 ** (bits - 1) - 1)


def scale_and_zero(chosen: Range) -> tuple[np.float32, int]:
    """Step and zero point of u8 values over a range, which is widened to hold 0: 0 must be exact."""
    low, high = min(chosen[0], 0.0), max(chosen[1], 0.0)
    step = np.float32((high - low) / 255 or 1.0)
    return step, int(np.clip(np.round(-low / step), 0, 255))


def quantize(matrix: Floats, axis: int, largest: int) -> tuple[NDArray[np.int8], Floats]:
    """Symmetric s8 values and float32 scales (that axis kept as 1), so that matrix ≈ values * scales."""
    scales: NDArray[Any] = np.abs(matrix).max(axis=axis, keepdims=True) / largest
    scales = np.where(scales == 0, 1, scales).astype(np.float32)
    return np.clip(np.round(matrix / scales), -largest, largest).astype(np.int8), scales
