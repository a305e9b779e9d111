"""The trainings that a classifier went through, as their directories tell."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.core.errors import Fatal
from worker.modeling.encoders.warm_start import REPORT
from worker.modeling.export.restore import REPORT as RESTORED
from worker.modeling.model_card.beside import read_json

METRICS = "metrics.json"
PRETRAINED = "pretrain.json"


@dataclass(frozen=True, slots=True)
class Run:
    """One training: its recipe, and what warm-start reported of its encoder (None where that is not at hand).

    `averaged`: recipes of the other trainings that its weights are the mean of. `restored`: "name version" of the bundle
    that it went on from, "" for none.
    """

    recipe: Mapping[str, Any]
    start: Mapping[str, Any] | None = None
    averaged: Sequence[Mapping[str, Any]] = ()
    restored: str = ""

    @property
    def taught(self) -> bool:
        """Whether it learnt from teachers' scores."""
        return any(recipe.get("teacher_scores") for recipe in (self.recipe, *self.averaged))


def runs_of(classifier: Path, later: frozenset[Path] = frozenset()) -> list[Run]:
    """Those of `classifier`, the first one first: an encoder may be a classifier, or be made of one by warm-start.

    `later`: directories already looked at; a training that wrote over its own encoder names itself.
    Raises Fatal where a file cannot be read, or a directory is gone that would tell of an earlier training.
    """
    later |= {classifier.resolve()}
    metrics = read_training(classifier)
    recipe = metrics["recipe"]
    before: list[Run] = []
    start, restored = None, ""
    for place in _ancestors(Path(recipe["encoder"]), classifier):
        if (place / METRICS).is_file() and place.resolve() not in later:
            before = runs_of(place, later)
            break
        if (place / REPORT).is_file():
            start = start or read_json(place / REPORT)
        if (place / RESTORED).is_file():
            restored = "{name} {version}".format_map(read_json(place / RESTORED))
    return [*before, Run(recipe, start, metrics.get("averaged", ()), restored)]


def read_training(classifier: Path) -> dict[str, Any]:
    """What the training of `classifier` left. Raises Fatal where the directory is of none."""
    metrics = read_json(classifier / METRICS)
    if "recipe" not in metrics:
        raise Fatal(
            f"card: {classifier / METRICS}: of no training: --classifier and --teachers are directories from train or distill"
        )
    return metrics


def _ancestors(encoder: Path, made: Path) -> Iterator[Path]:
    """The encoder that `made` was trained from, the directory that it was made of, and so on."""
    while True:
        if not encoder.is_dir():
            raise Fatal(
                f"card: {made} was made of {encoder}, which is not there and would tell what else it learnt from: put it "
                "back, or run card in the directory that train ran in"
            )
        yield encoder
        source = None
        if (encoder / REPORT).is_file() and (beside := read_json(encoder / REPORT).get("beside")):
            source = encoder / beside
        elif (encoder / PRETRAINED).is_file() and (path := read_json(encoder / PRETRAINED)["recipe"]["encoder"]):
            source = Path(path)
        if source is None:
            return
        encoder, made = source, encoder
