"""Everything that decides the result of a training run."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from worker.core.errors import Fatal
from worker.modeling.posts.labelled import check_names
from worker.modeling.training.config import Head
from worker.modeling.training.network import encoder_digest, weights_digest
from worker.text.options import AS_WRITTEN, Normalisation

LABELS = ("hate", "offensive")


@dataclass(frozen=True, slots=True)
class Recipe:
    """A checkpoint of another recipe is refused.

    `clean`: files of posts that bear no label at all, against which positives-only sources may be trained.
    `teacher_scores`: the cache of `distill`; `teacher_weight`: the teacher's share of the target where the source has
    a label of its own (where it has none, the teacher is all there is). `own_labels`: sources whose posts learn
    their labels alone, no teacher's scores. `tfidf_shares`: TF-IDF's share of the teachers'
    logits of a label, by label.
    `source_heads`: weight of the loss of one additional head for each source. `source_priors`: the share of its source's
    log-odds of a label (less those of all sources) that is added to a post's logit in the loss; `source_offsets`: what is
    added besides, by "source:label". `pair_weight`: weight of
    the margin loss on opposite pairs. `explanation_weight`: weight of the squared contribution of identity terms (Kennedy
    et al. 2020). `hidden_weight`: weight of the distance from the hidden states of `hidden_teacher`.
    `fold`: the one of `folds` parts of the labelled posts that is left out, so that a teacher can be asked about posts
    it never saw (`worker.modeling.posts.folds`).
    `layer_decay`: factor of the learning rate from each layer to the one below. `average`: decay of the running mean
    of the weights that is kept in the end, 0 for the last weights. `patience`: epochs without a better mean AUROC
    after which training stops, 0 for never; with it the best epoch's weights are kept.
    """

    encoder: str
    train: tuple[str, ...]
    labels: tuple[str, ...] = LABELS
    clean: tuple[str, ...] = ()
    unlabelled: tuple[str, ...] = ()
    teacher_scores: str | None = None
    teacher_weight: float = 0.5
    own_labels: tuple[str, ...] = ()
    tfidf_shares: dict[str, float] = field(default_factory=dict)
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
    source_priors: float = 0.0
    source_offsets: dict[str, float] = field(default_factory=dict)
    source_weights: dict[str, float] = field(default_factory=dict)
    positive_weights: dict[str, float] = field(default_factory=dict)
    pair_weight: float = 0.0
    pair_margin: float = 2.0
    explanation_weight: float = 0.0
    shuffle_labels: bool = False
    seed: int = 0
    fold: int | None = None
    folds: int = 2

    def check(self, dev: Sequence[Path]) -> None:
        """Raise Fatal naming the first option that no training could follow, with `dev` as development files."""
        check_names(dev, "--dev")
        share, weight = "from 0 to below 1", "0 or more"
        refuse_first(
            self,
            {
                "labels": (len({*self.labels}) == len(self.labels) > 0, "different names"),
                "epochs": (self.epochs >= 1, "1 or more"),
                "batch_size": (self.batch_size >= 1, "1 or more"),
                "max_length": (self.max_length >= SHORTEST, f"{SHORTEST} or more"),
                "learning_rate": (0 < self.learning_rate < math.inf, "above 0"),
                "layer_decay": (0 < self.layer_decay <= 1, "above 0, 1 at most"),
                "dropout": (0 <= self.dropout < 1, share),
                "encoder_dropout": (0 <= self.encoder_dropout < 1, share),
                "warmup": (0 <= self.warmup < 1, f"a share of the steps, {share}"),
                "average": (0 <= self.average < 1, f"{share}; 0 keeps the last weights"),
                "patience": (
                    self.patience == 0 or self.patience > 0 < len(dev),
                    "0, or more with --dev, which decides",
                ),
                "folds": (self.folds >= 2, "2 or more"),
                "fold": (self.fold is None or 0 <= self.fold < self.folds, f"from 0 to below --folds {self.folds}"),
                "teacher_weight": (0 <= self.teacher_weight <= 1, "from 0 to 1"),
                "weight_decay": (0 <= self.weight_decay < math.inf, weight),
                "source_heads": (0 <= self.source_heads < math.inf, weight),
                "source_priors": (0 <= self.source_priors <= 1, "from 0 to 1"),
                "pair_weight": (0 <= self.pair_weight < math.inf, weight),
                "pair_margin": (0 <= self.pair_margin < math.inf, weight),
                "explanation_weight": (0 <= self.explanation_weight < math.inf, weight),
                "hidden_weight": (0 <= self.hidden_weight < math.inf, weight),
            },
        )
        for label, part in self.tfidf_shares.items():
            if not (0 <= part <= 1 and self.teacher_scores):
                raise Fatal(f"--tfidf-share {label}={part}: must be from 0 to 1, beside other teachers' scores")

    def digests(self) -> dict[str, str]:
        """Of the weights that the recipe names: made anew in the same place they make it another one.

        Raises Fatal where the encoder, or the teacher of hidden states, is none.
        """
        found = {"encoder_sha256": encoder_digest(Path(self.encoder))}
        if self.hidden_teacher is not None:
            found["hidden_teacher_sha256"] = weights_digest(Path(self.hidden_teacher))
        return found


SHORTEST = 8
"""Tokens of a post at least, with [CLS] and [SEP]."""


def refuse_first(recipe: object, rules: Mapping[str, tuple[bool, str]]) -> None:
    """Raise Fatal for the first field whose value cannot be. `rules`: field -> (whether it can, what it must be)."""
    for field_name, (right, wanted) in rules.items():
        if not right:
            option = field_name.replace("_", "-")
            raise Fatal(f"--{option} {getattr(recipe, field_name)}: must be {wanted}")
