"""Outliers moved from activations into weights (SmoothQuant, Xiao et al. 2022, arXiv 2211.10438).

One channel of a layer's input is often ten times as large as the others. A single u8 scale has to cover it, and leaves
the others a few steps. So channels are divided by factors and the weights multiplied by them: the product is the same,
and weights, with a scale for each output, bear the spread better.
"""

from collections.abc import Sequence

import numpy as np
import torch

from worker.modeling.export.arithmetic import Floats
from worker.modeling.export.calibrate import linear_layers, watch
from worker.modeling.training.network import Classifier

STRENGTH = 0.85
"""Their alpha: 1 looks at the width of channels alone, 0 at the weights alone. As an option, 0 means no smoothing."""
_NEVER_ZERO = 1e-4


def smoothing_factors(
    classifier: Classifier, rows: Sequence[Sequence[int]], strength: float = STRENGTH
) -> dict[str, Floats]:
    """For each linear layer's input, by the layer's name, what to divide its channels by: float32 [width].

    `rows` are token ids of typical posts. No factor is under 1: a channel that they leave near 0 may be wide elsewhere,
    and would be cut off if it were magnified.
    """
    widest: dict[str, torch.Tensor] = {}

    def observe(name: str, values: torch.Tensor) -> None:
        found = values.abs().amax(dim=0)
        widest[name] = torch.maximum(widest.get(name, found), found)

    watch(classifier, rows, observe)
    weights: dict[str, torch.Tensor] = {}
    for site, layer in linear_layers(classifier):
        found = layer.weight.detach().abs().amax(dim=0)
        weights[site] = torch.maximum(weights.get(site, found), found)
    return {site: factors_of(values.numpy(), weights[site].numpy(), strength) for site, values in widest.items()}


def factors_of(values: Floats, weights: Floats, strength: float) -> Floats:
    """Factors [width] of one layer: `values` and `weights` [width] are the largest magnitudes of each channel."""
    values, weights = np.maximum(values, _NEVER_ZERO), np.maximum(weights, _NEVER_ZERO)
    factors = values**strength / weights ** (1 - strength)
    found: Floats = np.maximum(factors / np.median(factors), 1).astype(np.float32)
    return found
