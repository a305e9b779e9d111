"""What a trained classifier directory says about itself."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from worker.core.errors import Fatal
from worker.modeling.posts.folds import Fold
from worker.text.options import AS_WRITTEN, Normalisation

CONFIG = "classifier.json"
Head = Literal["cls", "lstm"]


@dataclass(frozen=True, slots=True)
class ClassifierConfig:
    """What a trained classifier directory says about itself, beside the encoder's own config.json.

    `sources`: the names of the additional heads, one for each source, that training kept (they are never served), and
    `source_labels`, by source, the labels that its posts taught its head: of the others it knows nothing.
    `fold`: which part of the labelled posts it was trained without.
    """

    labels: tuple[str, ...]
    max_length: int
    problem_type: str = "multi_label_classification"
    head: Head = "cls"
    sources: tuple[str, ...] = ()
    source_labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    fold: Fold | None = None
    normalisation: Normalisation = AS_WRITTEN


def read_config(directory: Path) -> ClassifierConfig:
    """What a classifier directory says about itself. Raises Fatal where it is none."""
    if not (directory / CONFIG).is_file():
        raise Fatal(f"{directory}: no {CONFIG}: not a trained classifier; `moderation-model train` makes one")
    try:
        return TypeAdapter(ClassifierConfig).validate_python(json.loads((directory / CONFIG).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise Fatal(f"{directory}: not a trained classifier of this version: {error}") from error


def refuse_unsaid(config: ClassifierConfig, directory: Path) -> None:
    """Raise Fatal where nothing says which labels the heads of its sources learnt: they would be asked about the others."""
    if config.sources and not config.source_labels:
        raise Fatal(
            f"{directory}: trained before a classifier said which labels the heads of its sources learnt: call its training "
            "again, which goes on from its checkpoint"
        )
