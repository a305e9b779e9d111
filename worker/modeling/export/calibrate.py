"""Ranges of every linear layer's input over calibration posts, for static quantization."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from worker.modeling.export.arithmetic import NONE, Factors, Range
from worker.modeling.export.electra_graph import LAYER, Shape
from worker.modeling.export.histogram import BINS, Histogram, Method
from worker.modeling.posts.examples import Example, sample
from worker.modeling.training.network import Classifier, collate

Observer = Callable[[str, torch.Tensor], None]
"""Takes a layer's name and its inputs of real tokens, float32 [tokens, width]."""


def even_sample(sources: Sequence[Sequence[Example]], count: int) -> list[Example]:
    """At most `count` posts, as many of each source; what a small source lacks, the larger ones give."""
    chosen: list[Example] = []
    ordered = sorted(sources, key=len)
    for position, source in enumerate(ordered):
        share = -(-(count - len(chosen)) // (len(ordered) - position))
        chosen += sample(source, share)
    return chosen


def activation_ranges(
    classifier: Classifier,
    rows: Sequence[Sequence[int]],
    methods: Sequence[Method],
    percentile: float = 99.99,
    factors: Factors = NONE,
) -> dict[Method, dict[str, Range]]:
    """By each method the range of each linear layer's input, by the layer's name in the state dict, in float32."""
    if list(methods) == ["min-max"]:
        return {"min-max": extremes(classifier, rows, factors)}
    found = histograms(classifier, rows, factors)
    return {method: {name: each.range(method, percentile) for name, each in found.items()} for method in methods}


def extremes(classifier: Classifier, rows: Sequence[Sequence[int]], factors: Factors = NONE) -> dict[str, Range]:
    """Smallest and largest input of each linear layer."""
    ranges: dict[str, Range] = {}

    def observe(name: str, values: torch.Tensor) -> None:
        low, high = ranges.get(name, (float("inf"), float("-inf")))
        ranges[name] = (min(low, values.min().item()), max(high, values.max().item()))

    watch(classifier, rows, observe, factors)
    return ranges


def histograms(classifier: Classifier, rows: Sequence[Sequence[int]], factors: Factors = NONE) -> dict[str, Histogram]:
    """How the inputs of each linear layer are distributed: a second pass, once the extremes are known."""
    ranges = extremes(classifier, rows, factors)
    counts = {name: np.zeros(BINS) for name in ranges}

    def observe(name: str, values: torch.Tensor) -> None:
        low, high = ranges[name]
        counts[name] += torch.histc(values, BINS, low, high).double().numpy()

    watch(classifier, rows, observe, factors)
    return {name: Histogram(*ranges[name], counts[name]) for name in ranges}


def linear_layers(classifier: Classifier) -> list[tuple[str, nn.Linear]]:
    """Linear layers of the encoder, each with the site of its input: query, key and value share one, the query's name."""
    return [
        (name.replace(".self.key", ".self.query").replace(".self.value", ".self.query"), module)
        for name, module in classifier.named_modules()
        if isinstance(module, nn.Linear) and name.startswith("electra.")
    ]


@torch.no_grad()
def watch(
    classifier: Classifier,
    rows: Sequence[Sequence[int]],
    observer: Observer,
    factors: Factors = NONE,
    batch_size: int = 32,
) -> None:
    """Show `observer` what the exported graph would quantize.

    Padding does not count. In the last layer only [CLS] counts where the graph computes only [CLS]: its range is
    narrower. Query, key and value share their input, and it is seen once, as the query's.
    """
    classifier.eval()
    mask = torch.zeros(0)
    last = f"{LAYER}.{Shape.of(classifier).layers - 1}."

    def hook(name: str) -> Any:
        first_only = name.startswith(last) and ".self." not in name

        def see(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            values = inputs[0][:, 0] if first_only else inputs[0][mask.bool()]
            observer(name, values / torch.from_numpy(factors[name]) if name in factors else values)

        return see

    hooks = [
        module.register_forward_pre_hook(hook(site))
        for site, module in linear_layers(classifier)
        if module is classifier.get_submodule(site)
    ]
    try:
        ordered = sorted(rows, key=len)
        for start in range(0, len(ordered), batch_size):
            ids, mask = collate(ordered[start : start + batch_size])
            classifier(ids, mask)
    finally:
        for found in hooks:
            found.remove()
