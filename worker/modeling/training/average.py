"""The mean of several trainings' weights: one classifier of the size of each ("model soup", Wortsman et al. 2022).

Trainings that begin at the same encoder end in the same valley of the loss; its middle is often better than its sides.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from worker.core.errors import Fatal
from worker.model.tokenizer import load_tokenizer
from worker.modeling.encoders.directories import written_aside
from worker.modeling.training.config import ClassifierConfig
from worker.modeling.training.network import Classifier

METRICS = "metrics.json"


def average(classifiers: Sequence[Path], out: Path) -> None:
    """Write the mean of `classifiers`, finished trainings from one encoder, to `out`, a directory that is new or empty.

    `out/metrics.json` has the recipe of the first and, as `averaged`, of the others; nothing is measured. Raises Fatal where
    they are fewer than two, are means themselves, have an LSTM (whose cells have no order that two trainings share), or
    differ in encoder, vocabulary, labels, heads or anything else that a score depends on.
    """
    if len(classifiers) < 2 or len({path.resolve() for path in classifiers}) < len(classifiers):
        raise Fatal("average: --classifier: give at least two different ones")
    trainings = [_training(path) for path in classifiers]
    models = [Classifier.load(path) for path in classifiers]
    first = classifiers[0]
    for path, training, model in zip(classifiers, trainings, models, strict=True):
        if model.lstm is not None:
            raise Fatal(f"average: {path} has an LSTM, drawn anew in each training: no mean of two means anything")
        _refuse_other("encoder to begin at", first, trainings[0]["encoder_sha256"], path, training["encoder_sha256"])
        _refuse_other("configuration", first, _config(models[0]), path, _config(model))
        if _vocabulary(path) != _vocabulary(first):
            raise Fatal(f"average: {path} has another vocabulary than {first}")
    weights = [model.state_dict() for model in models]
    mean = {name: torch.stack([each[name].double() for each in weights]).mean(dim=0) for name in weights[0]}
    made = models[0]
    if any(model.config.fold != made.config.fold for model in models):  # of what one never saw, another has learnt
        made.config = replace(made.config, fold=None)
    made.load_state_dict(mean)
    metrics = trainings[0] | {"averaged": [training["recipe"] for training in trainings[1:]], "epochs": []}
    with written_aside(out) as folder:
        made.save(folder, first / "tokenizer.json")
        (folder / METRICS).write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")


def _training(path: Path) -> dict[str, Any]:
    """Its metrics.json."""
    try:
        found: dict[str, Any] = json.loads((path / METRICS).read_text(encoding="utf-8"))
        _ = found["recipe"], found["encoder_sha256"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise Fatal(
            f"average: {path}: no finished training of this version ({error!r}): the command that trained it goes on from "
            "its checkpoint and finishes it"
        ) from error
    if "averaged" in found:
        raise Fatal(
            f"average: {path} is a mean itself: give the trainings that it is made of, so that each counts once"
        )
    return found


def _config(model: Classifier) -> dict[str, Any]:
    """What must be the same, of the classifier and of its encoder."""
    shape = {k: v for k, v in model.electra.config.to_dict().items() if not k.startswith("_")}  # type: ignore[operator, union-attr]
    told: ClassifierConfig = replace(model.config, fold=None)
    return asdict(told) | shape


def _vocabulary(path: Path) -> str:
    return load_tokenizer(path / "tokenizer.json").to_str()


def _refuse_other(what: str, first: Path, expected: Any, path: Path, found: Any) -> None:
    if found == expected:
        return
    if isinstance(found, dict):
        name = next(k for k in [*expected, *found] if expected.get(k) != found.get(k))
        what, expected, found = name, expected.get(name), found.get(name)
    raise Fatal(f"average: {path} has another {what} than {first} ({found}, not {expected}): their mean means nothing")
