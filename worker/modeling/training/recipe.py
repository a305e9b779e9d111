"""Everything that decides the result of a training run."""

from dataclasses import dataclass, field

from worker.modeling.training.network import Head
from worker.text.options import AS_WRITTEN, Normalisation


@dataclass(frozen=True, slots=True)
class Recipe:
    """A checkpoint of another recipe is refused.

    `clean`: files of posts that bear no label at all, against which positives-only sources may be trained.
    `teacher_scores`: the cache of `distill`; `teacher_weight`: the teacher's share of the target where the source has
    a label of its own (where it has none, the teacher is all there is).
    `source_heads`: weight of the loss of one additional head for each source. `pair_weight`: weight of the margin
    loss on opposite pairs. `explanation_weight`: weight of the squared contribution of identity terms (Kennedy et al.
    2020). `hidden_weight`: weight of the distance from the hidden states of `hidden_teacher`.
    `fold`: the one of `folds` parts of the labelled posts that is left out, so that a teacher can be asked about posts
    it never saw (`worker.modeling.posts.folds`).
    `layer_decay`: factor of the learning rate from each layer to the one below. `average`: decay of the running mean
    of the weights that is kept in the end, 0 for the last weights. `patience`: epochs without a better mean AUROC
    after which training stops, 0 for never; with it the best epoch's weights are kept.
    """

    encoder: str
    train: tuple[str, ...]
    labels: tuple[str, ...] = ("hate", "offensive")
    clean: tuple[str, ...] = ()
    unlabelled: tuple[str, ...] = ()
    teacher_scores: str | None = None
    teacher_weight: float = 0.5
    hidden_teacher: str | None = None
    hidden_weight: float = 0.0
    epochs: int = 2
    learning_rate: float = 1e-4
    batch_size: int = 32
    max_length: int = 128
    normalisation: Normalisation = AS_WRITTEN
    head: Head = "cls"
    dropout: float = 0.3
    encoder_dropout: float = 0.0
    weight_decay: float = 0.01
    warmup: float = 0.06
    layer_decay: float = 1.0
    average: float = 0.0
    patience: int = 0
    soft_labels: bool = True
    source_heads: float = 0.0
    source_weights: dict[str, float] = field(default_factory=dict)
    positive_weights: dict[str, float] = field(default_factory=dict)
    pair_weight: float = 0.0
    pair_margin: float = 2.0
    explanation_weight: float = 0.0
    shuffle_labels: bool = False
    seed: int = 0
    fold: int | None = None
    folds: int = 2
