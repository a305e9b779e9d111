"""What a bundle costs: bytes, and time in the serving path on this machine."""

import statistics
import time
from collections.abc import Sequence
from typing import Any

from worker.model.classifier import Classifier
from worker.model.cpu import cpu_name
from worker.model.manifest import MODEL
from worker.modeling.evaluation.metrics import rounded
from worker.modeling.evaluation.scoring import score_set
from worker.modeling.posts.examples import Example

ROUNDS = 3
ALONE = 100
"""Posts scored one by one for the latency."""


def measure_speed(classifier: Classifier, texts: Sequence[str]) -> dict[str, Any]:
    """Bytes; posts/s of one thread over all texts in batches; milliseconds of one post alone.

    The rate is the median of ROUNDS, normalising and tokenising included. Noisy: other work on the machine, its clock
    and its temperature move it by tens of percent, so compare only figures taken side by side.
    """
    path = classifier.bundle.path
    posts = [Example(str(i), text, (), "speed") for i, text in enumerate(texts)]
    score_set(classifier, "speed", posts[:ALONE])  # allocates
    rounds = [_seconds(classifier, posts) for _ in range(ROUNDS)]
    alone = sorted(_seconds(classifier, [post]) for post in posts[:ALONE])
    return rounded(
        {
            "model_bytes": (path / MODEL).stat().st_size,
            "bundle_bytes": sum(file.stat().st_size for file in path.iterdir() if file.is_file()),
            "posts": len(posts),
            "posts_per_second": round(len(posts) / statistics.median(rounds), 1),
            "alone_ms_median": alone[len(alone) // 2] * 1000,
            "alone_ms_p95": alone[int(len(alone) * 0.95)] * 1000,
            "threads": 1,
            "cpu": cpu_name(),
        }
    )


def _seconds(classifier: Classifier, posts: Sequence[Example]) -> float:
    started = time.perf_counter()
    score_set(classifier, "speed", posts)
    return time.perf_counter() - started
