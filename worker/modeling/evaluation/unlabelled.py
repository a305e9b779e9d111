"""How often a bundle speaks up on posts that nobody labelled: what a queue of reviewers would see."""

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from worker.core.errors import Fatal
from worker.core.policy import Action, decide
from worker.model.classifier import Classifier
from worker.modeling.evaluation.metrics import FAIR, rounded
from worker.modeling.evaluation.scoring import score_set
from worker.modeling.posts.examples import Example
from worker.modeling.posts.texts import read_texts


def flag_rates(classifier: Classifier, path: Path, most_posts: int) -> dict[str, Any]:
    """Shares of the first `most_posts` posts of a file that would be reviewed and blocked, in all and by label.

    Posts without a token, which the worker sends to review, are counted as `unscorable` and not in the shares.
    Raises Fatal where the file holds no post, or none with a token.
    """
    texts = list(islice(read_texts([path]), most_posts))
    posts = [Example(str(i), text, (), path.name) for i, text in enumerate(texts)]
    scored = score_set(classifier, path.name, posts)
    if not scored.scores:
        raise Fatal(f"evaluate --unlabelled: {path}: holds no post that could be scored")
    policy = classifier.bundle.policy
    actions = [decide(scores, policy).action for scores in scored.scores]
    table = np.array(scored.scores, np.float64)
    labels = {}
    for position, (label, threshold) in enumerate(zip(policy.labels, policy.thresholds, strict=True)):
        column = table[:, position]
        p50, p95, p99 = np.quantile(column, [0.5, 0.95, 0.99]).tolist()
        rates = {"review": float((column >= threshold.review).mean()), "at_half": float((column >= FAIR).mean())}
        labels[label] = rounded({**rates, "score_p50": p50, "score_p95": p95, "score_p99": p99})
    return rounded(
        {
            "file": path.name,
            "posts": len(scored.scores),
            "unscorable": len(posts) - len(scored.scores),
            "flagged": sum(action is not Action.ALLOW for action in actions) / len(actions),
            "blocked": sum(action is Action.BLOCK for action in actions) / len(actions),
            "labels": labels,
        }
    )
