"""The trainings that a classifier went through, as their directories tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.modeling.encoders.warm_start import REPORT
from worker.modeling.model_card.beside import read_json

METRICS = "metrics.json"


@dataclass(frozen=True, slots=True)
class Run:
    """One training: its recipe, and what warm-start reported of its encoder (None where that is not at hand).

    `averaged`: recipes of the other trainings that its weights are the mean of.
    """

    recipe: Mapping[str, Any]
    start: Mapping[str, Any] | None = None
    averaged: Sequence[Mapping[str, Any]] = ()

    @property
    def taught(self) -> bool:
        """Whether it learnt from teachers' scores."""
        return any(recipe.get("teacher_scores") for recipe in (self.recipe, *self.averaged))


def runs_of(classifier: Path, later: frozenset[Path] = frozenset()) -> list[Run]:
    """Those of `classifier`, the first one first: an encoder may be a classifier, or be made of one by warm-start.

    `later`: directories already looked at; a training that wrote over its own encoder names itself.
    Raises Fatal where a file cannot be read.
    """
    later |= {classifier.resolve()}
    metrics = read_json(classifier / METRICS)
    recipe = metrics["recipe"]
    encoder = Path(str(recipe.get("encoder")))
    start = read_json(encoder / REPORT) if (encoder / REPORT).is_file() else None
    sources = [encoder, *([Path(start["source"])] if start else [])]
    before = [path for path in sources if (path / METRICS).is_file() and path.resolve() not in later]
    return [*(runs_of(before[0], later) if before else []), Run(recipe, start, metrics.get("averaged", ()))]
