"""What decides the result of a pretraining run."""

import math
from dataclasses import asdict, dataclass, field

from worker.core.errors import Fatal
from worker.modeling.training.recipe import SHORTEST, refuse_first
from worker.text.options import AS_WRITTEN, Normalisation


@dataclass(frozen=True, slots=True)
class Shape:
    """An encoder made from nothing. The default is ELECTRA-small's (Clark et al. 2020)."""

    layers: int = 12
    hidden: int = 256
    embedding: int = 128
    heads: int = 4
    intermediate: int = 1024
    positions: int = 512


SIZES = {"tiny": Shape(2, 128, 128, 2, 512), "small": Shape(), "wide": Shape(6, 384, 128, 12, 1536)}
"""By name: `wide` is of the cost of `small`, in half as many, wider layers."""


@dataclass(frozen=True, slots=True)
class PretrainRecipe:
    """Everything that decides the result of a run; a checkpoint of another recipe is refused.

    `encoder`: a directory to start from, or None for one of `shape`, whose tokenizer is read from `vocabulary` or
    trained with `train_vocabulary` pieces. The budget is `steps`, or `minutes` of work, which no second run repeats
    exactly. `max_length` counts tokens, `batch_size` sequences.
    """

    texts: tuple[str, ...]
    encoder: str | None = None
    shape: Shape = field(default_factory=Shape)
    vocabulary: str | None = None
    train_vocabulary: int | None = None
    cased: bool = False
    steps: int | None = None
    minutes: float | None = None
    learning_rate: float = 5e-4
    warmup: float = 0.06
    weight_decay: float = 0.01
    dropout: float = 0.0
    batch_size: int = 32
    max_length: int = 128
    masked: float = 0.15
    bf16: bool = True
    seed: int = 0
    normalisation: Normalisation = AS_WRITTEN

    def check(self) -> None:
        """Raise Fatal naming the options that no run could follow."""
        if (self.steps is None) == (self.minutes is None) or not (self.steps or self.minutes or 0) > 0:
            raise Fatal("pretrain: give a budget: --steps or --minutes, more than nought")
        if self.encoder and (self.vocabulary or self.train_vocabulary):
            raise Fatal("pretrain: --encoder brings its vocabulary: leave out --vocabulary and --train-vocabulary")
        if not self.encoder and bool(self.vocabulary) == bool(self.train_vocabulary):
            raise Fatal("pretrain: without --encoder, give --vocabulary FILE or --train-vocabulary SIZE")
        refuse_first(
            self,
            {
                "max_length": (self.max_length >= SHORTEST, f"{SHORTEST} or more"),
                "batch_size": (self.batch_size >= 1, "1 or more"),
                "learning_rate": (0 < self.learning_rate < math.inf, "above 0"),
                "dropout": (0 <= self.dropout < 1, "from 0 to below 1"),
            },
        )
        refuse_first(self.shape, {name: (size >= 1, "1 or more") for name, size in asdict(self.shape).items()})
