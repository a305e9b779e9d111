"""What decides the result of a pretraining run."""

from dataclasses import dataclass, field

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
