"""What must hold of an exported graph before it may be served: it agrees with torch, and with itself in any batch."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from worker.core.errors import Fatal
from worker.core.types import Window
from worker.model.classifier import Classifier
from worker.modeling.training import network

MEAN_DIFFERENCE = 0.05
"""Mean difference of a probability from torch above which an export is refused. Measured for int8: under 0.01."""
BATCH_SIZES = (1, 2, 3, 7, 16, 33)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the graph's probabilities are from torch's, and the share of labels on the other side of review."""

    windows: int
    largest: float
    mean: float
    flipped: float


def check_agreement(classifier: Classifier, trained: network.Classifier, windows: Sequence[Window]) -> Agreement:
    """Compare with torch in float32, window by window. Raises Fatal where the graph computes something else."""
    found = torch.tensor([classifier.score([window])[0] for window in windows])
    with torch.no_grad():
        logits = torch.cat([trained(*network.collate([window])) for window in windows])
    single = trained.config.problem_type == "single_label_classification"
    expected = logits.softmax(-1) if single else logits.sigmoid()
    review = torch.tensor([threshold.review for threshold in classifier.bundle.policy.thresholds])
    difference = (found - expected).abs()
    flipped = ((found >= review) != (expected >= review)).float().mean().item()
    agreement = Agreement(len(windows), difference.max().item(), difference.mean().item(), flipped)
    if not agreement.mean <= MEAN_DIFFERENCE:
        raise Fatal(
            f"export: probabilities differ from the trained classifier's by {agreement.mean:.3f} on average, over "
            f"{MEAN_DIFFERENCE}: give more or more typical posts to --calibration, or choose --quantization fp32"
        )
    return agreement


def check_invariance(classifier: Classifier, windows: Sequence[Window], seed: int = 0) -> int:
    """Score windows alone and in shuffled batches; return the number of comparisons, all bitwise equal.

    Raises Fatal where a score depends on its batch.
    """
    alone = [classifier.score([window])[0] for window in windows]
    order = random.Random(seed)
    compared = 0
    for size in BATCH_SIZES:
        indices = list(range(len(windows)))
        order.shuffle(indices)
        for start in range(0, len(indices), size):
            chosen = indices[start : start + size]
            if classifier.score([windows[i] for i in chosen]) != [alone[i] for i in chosen]:
                raise Fatal(f"export: in a batch of {len(chosen)} a score differs from the one the window has alone")
            compared += len(chosen)
    return compared
