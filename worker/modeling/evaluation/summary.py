"""One figure over all files: means with equal weight for each source, pooled calibration, three classes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import f1_score

from worker.modeling.evaluation.metrics import FAIR, Row, chance_error, pooled_error, rounded
from worker.modeling.evaluation.scoring import ScoredSet

CLASSES = {"normal": 0, "neither": 0, "none": 0, "offensive": 1, "hatespeech": 2, "hate": 2}
"""Of HateXplain, Davidson et al. and BEEP!, by the name each source gives them."""
NAMES = ("normal", "offensive", "hate")
_MEANS = (
    *("auroc", "average_precision", "recall_at_fpr_1", "recall_at_fpr_5", "f1", "macro_f1", "balanced_accuracy"),
    *("macro_f1_at_half", "balanced_accuracy_at_half"),
)


def pooled(
    rows: Sequence[Row], sets: Sequence[ScoredSet], labels: Sequence[str], scaled: Sequence[ScoredSet] = ()
) -> list[dict[str, Any]]:
    """For each label measured: means over files, and the calibration error of all posts, each file with equal weight.

    `ece_chance`: what perfectly calibrated scores would show. `scaled`: the sets after temperature scaling; without them
    `ece_scaled` is None.
    """
    found = []
    for position, label in enumerate(labels):
        mine = [row for row in rows if row.label == label]
        if not mine:
            continue
        found.append(
            {
                "label": label,
                "files": [row.file for row in mine],
                **rounded({key: float(np.mean([getattr(row, key) for row in mine])) for key in _MEANS}),
                **rounded({"ece": pooled_error(sets, position), "ece_chance": chance_error(sets, position)}),
                **rounded({"ece_scaled": pooled_error(scaled, position)}),
            }
        )
    return found


def three_classes(
    sets: Sequence[ScoredSet], classes: Sequence[Mapping[str, str]], labels: Sequence[str]
) -> list[dict[str, Any]]:
    """Macro-F1 over normal, offensive and hate, of the files whose posts have such a class.

    A post is hate where that score is at least 0.5, else offensive where that one is, else normal. `classes`: the
    source's own class by id, for each set.
    """
    if not {"hate", "offensive"} <= set(labels):
        return []
    hate, offensive = labels.index("hate"), labels.index("offensive")
    found = []
    for scored, named in zip(sets, classes, strict=True):
        pairs = [
            (CLASSES[name], 2 if scores[hate] >= FAIR else int(scores[offensive] >= FAIR))
            for example, scores in zip(scored.examples, scored.scores, strict=True)
            if (name := named.get(example.id, "")) in CLASSES
        ]
        if len({truth for truth, _ in pairs}) == len(NAMES):
            truth, guess = zip(*pairs, strict=True)
            each = f1_score(truth, guess, labels=[0, 1, 2], average=None)
            by_class = {f"f1_{name}": float(value) for name, value in zip(NAMES, each, strict=True)}
            row = {"file": scored.name, "posts": len(pairs), "macro_f1": float(np.mean(each)), **by_class}
            found.append(rounded(row))
    return found
