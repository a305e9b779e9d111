"""The trainings that a classifier went through, as their directories tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.core.errors import Fatal
from worker.modeling.encoders.warm_start import REPORT
from worker.modeling.export.restore import REPORT as RESTORED
from worker.modeling.model_card.beside import read_json

METRICS = "metrics.json"


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
    metrics = read_json(classifier / METRICS)
    recipe = metrics["recipe"]
    encoder = _there(Path(recipe["encoder"]), classifier)
    start = read_json(encoder / REPORT) if (encoder / REPORT).is_file() else None
    sources = [encoder]
    if start:
        source = Path(start["source"])  # absolute if it was a directory
        sources.append(_there(source, encoder) if source.is_absolute() else source)
    before = [path for path in sources if (path / METRICS).is_file() and path.resolve() not in later]
    bundles = [read_json(path / RESTORED) for path in sources if (path / RESTORED).is_file()]
    restored = f"{bundles[0]['name']} {bundles[0]['version']}" if bundles else ""
    return [*(runs_of(before[0], later) if before else []), Run(recipe, start, metrics.get("averaged", ()), restored)]


def _there(path: Path, made: Path) -> Path:
    if not path.is_dir():
        raise Fatal(
            f"card: {made} was made from {path}, which is not there and would tell what else it learnt from: run card in "
            "the directory that train ran in, with all that train found there"
        )
    return path
