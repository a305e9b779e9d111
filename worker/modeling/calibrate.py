"""Ranges of every linear layer's input over calibration posts, for static quantization."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from worker.modeling.arithmetic import Range
from worker.modeling.electra_graph import LAYER, Shape
from worker.modeling.network import Classifier, collate


@torch.no_grad()
def activation_ranges(classifier: Classifier, rows: Sequence[Sequence[int]], batch_size: int = 32) -> dict[str, Range]:
    """Smallest and largest input of each linear layer, by its name in the state dict, in float32.

    Plain minimum and maximum: an outlier that is cut off changes more than the coarser step it costs. Padding does
    not count. In the last layer only [CLS] counts where the graph computes only [CLS]: its range is narrower.
    """
    classifier.eval()
    ranges: dict[str, Range] = {}
    mask = torch.zeros(0)
    last = f"{LAYER}.{Shape.of(classifier).layers - 1}."

    def watch(name: str) -> Any:
        first_only = name.startswith(last) and ".self." not in name

        def observe(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            values = inputs[0][:, 0] if first_only else inputs[0][mask.bool()]
            low, high = ranges.get(name, (float("inf"), float("-inf")))
            ranges[name] = (min(low, values.min().item()), max(high, values.max().item()))

        return observe

    hooks = [
        module.register_forward_pre_hook(watch(name))
        for name, module in classifier.named_modules()
        if isinstance(module, nn.Linear) and name != "out"
    ]
    try:
        ordered = sorted(rows, key=len)
        for start in range(0, len(ordered), batch_size):
            ids, mask = collate(ordered[start : start + batch_size])
            classifier(ids, mask)
    finally:
        for hook in hooks:
            hook.remove()
    return ranges
