"""Quantization-aware self-distillation: a few steps of training in which the classifier learns to live with int8.

The student is the classifier with its weights and activations rounded as the exported graph rounds them; the teacher
is the classifier itself in float32. No labels are needed. Gradients pass through the rounding as if it were not there
(straight-through, Bengio et al. 2013) and stop where a value is cut off.
"""

import copy
import random
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from worker.modeling.export.arithmetic import NONE, Factors, Floats, Range, largest_weight, scale_and_zero
from worker.modeling.export.calibrate import linear_layers
from worker.modeling.training.network import Classifier, collate

LEARNING_RATE = 1e-5
BATCH_SIZE = 32
_REPORT_EVERY = 50


def distil_to_int8(
    trained: Classifier,
    rows: Sequence[Sequence[int]],
    ranges: Mapping[str, Range],
    *,
    bits: int,
    steps: int,
    keep: Collection[str] = (),
    factors: Factors = NONE,
    seed: int = 0,
) -> Classifier:
    """A copy of `trained` whose quantized form is nearer to it: float32 weights, to be quantized as usual.

    `rows` are token ids of posts; `ranges` and `factors` as for the graph, `keep` its sites in float32. The embeddings stay as they
    are: their rows keep 8 bits each. Deterministic by seed.
    """
    teacher = trained.eval()
    student = copy.deepcopy(trained).eval()  # dropout would drown what rounding changes
    student.electra.embeddings.requires_grad_(False)
    roundings = [
        _Rounding(layer, ranges[site], largest_weight(bits), factors.get(site))
        for site, layer in linear_layers(student)
        if site not in keep
    ]
    trainable = [p for p in student.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=LEARNING_RATE, weight_decay=0.0)
    order = random.Random(seed)
    losses: list[float] = []
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - step / steps)
        ids, mask = collate(order.sample(rows, min(BATCH_SIZE, len(rows))))
        with torch.no_grad():
            expected = _outputs(teacher, ids, mask)
        loss = torch.stack([mse_loss(a, b) for a, b in zip(_outputs(student, ids, mask), expected, strict=True)]).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
        if (step + 1) % _REPORT_EVERY == 0:
            recent = losses[-_REPORT_EVERY:]
            print(f"quantize-aware step {step + 1}/{steps} loss {sum(recent) / len(recent):.5f}", flush=True)
    for rounding in roundings:
        rounding.remove()
    return student.requires_grad_(True)


def _outputs(model: Classifier, ids: Tensor, mask: Tensor) -> list[Tensor]:
    """Logits, and every layer's states of real tokens: a layer's own error is easier to undo than their sum."""
    found = model.electra(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    logits = model.out(found.last_hidden_state[:, 0])
    return [logits, *(states[mask.bool()] for states in found.hidden_states[1:])]


class _Rounding:
    """Rounds a layer's input and weights as the graph does, for as long as it is there."""

    def __init__(self, layer: nn.Linear, chosen: Range, largest: int, factors: Floats | None = None) -> None:
        self._layer = layer
        self._forward = layer.forward
        step, zero = scale_and_zero(chosen)
        divisors = torch.ones(layer.in_features) if factors is None else torch.from_numpy(factors)

        def forward(x: Tensor) -> Tensor:
            weight = layer.weight * divisors
            scales = weight.detach().abs().amax(dim=1) / largest
            scales = torch.where(scales == 0, 1.0, scales)
            zeros = torch.zeros_like(scales, dtype=torch.int32)
            weight = torch.fake_quantize_per_channel_affine(weight, scales, zeros, 0, -largest, largest)
            x = torch.fake_quantize_per_tensor_affine(x / divisors, float(step), zero, 0, 255)
            return nn.functional.linear(x, weight, layer.bias)

        _replace(layer, forward)

    def remove(self) -> None:
        """Let the layer compute in float32 again."""
        _replace(self._layer, self._forward)


def _replace(layer: nn.Linear, forward: Any) -> None:
    layer.forward = forward  # type: ignore[method-assign]
