"""The options that `train`, `distill`, `tune` and `ablate` share."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from worker.modeling.training.recipe import Recipe
    from worker.text.options import Normalisation


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Add data, model, optimisation and loss options to `parser`."""
    data = parser.add_argument_group("data")
    data.add_argument("--train", type=Path, nargs="+", required=True, help="JSON Lines files of labelled posts")
    data.add_argument("--clean", type=Path, nargs="*", default=[], help=_CLEAN)
    data.add_argument("--dev", type=Path, nargs="*", default=[], help=_DEV)
    data.add_argument("--labels", nargs="+", default=["hate", "offensive"], help=_LABELS)
    data.add_argument("--hard-labels", action="store_true", help="read `labels` even where annotators' `votes` are")
    data.add_argument("--max-length", type=int, default=128, help="tokens; also the window length when serving")
    data.add_argument("--normalise", type=choice, nargs="*", default=[], metavar="OPTION=CHOICE", help=_NORMALISE)
    data.add_argument("--source-weight", type=_weight, nargs="*", default=[], metavar="SOURCE=W", help=_SOURCE_WEIGHT)
    data.add_argument("--source-priors", type=float, default=0.0, metavar="SHARE", help=_PRIORS)
    data.add_argument("--source-offset", type=_offset, nargs="*", default=[], metavar="SOURCE:LABEL=X", help=_OFFSET)
    data.add_argument("--positive-weight", type=_weight, nargs="*", default=[], metavar="LABEL=W", help=_POSITIVE)
    data.add_argument("--shuffle-labels", action="store_true", help="a control: labels at random; AUROC must be .5")

    model = parser.add_argument_group("model")
    model.add_argument("--encoder", type=Path, required=True, help="encoder directory (warm-start or pretrain)")
    model.add_argument("--out", type=Path, required=True, help="classifier directory; holds the checkpoint too")
    model.add_argument("--head", choices=("cls", "lstm"), default="cls", help=_HEAD)
    model.add_argument("--dropout", type=float, default=0.3, help="before the linear layer (default 0.3)")
    model.add_argument("--encoder-dropout", type=float, default=0.0, help="in the encoder (default 0: a third faster)")

    steps = parser.add_argument_group("optimisation")
    steps.add_argument("--epochs", type=int, default=2)
    steps.add_argument("--learning-rate", type=float, default=1e-4)
    steps.add_argument("--layer-decay", type=float, default=1.0, help="learning-rate factor per layer downwards")
    steps.add_argument("--batch-size", type=int, default=32)
    steps.add_argument("--weight-decay", type=float, default=0.01)
    steps.add_argument("--warmup", type=float, default=0.06, help="share of the steps")
    steps.add_argument("--average", type=float, default=0.0, metavar="DECAY", help=_AVERAGE)
    steps.add_argument("--patience", type=int, default=0, help="stop after so many epochs without a better dev mean")
    data.add_argument("--fold", type=int, metavar="N", help=_FOLD)
    data.add_argument("--folds", type=int, default=2, help="parts that --fold counts (default 2)")
    steps.add_argument("--seed", type=int, default=0)
    steps.add_argument("--checkpoint-minutes", type=float, default=10)

    losses = parser.add_argument_group("additional losses (weights; 0 is off)")
    losses.add_argument("--source-heads", type=float, default=0.0, help="a head for each source beside the common one")
    losses.add_argument("--pair-weight", type=float, default=0.0, help="margin between near-twins of opposite label")
    losses.add_argument("--pair-margin", type=float, default=2.0, help="the margin, in logits (default 2)")
    losses.add_argument("--explanation-weight", type=float, default=0.0, help=_EXPLANATION)


def read_recipe(chosen: argparse.Namespace, **more: Any) -> "Recipe":
    """The recipe that the options describe. Raises Fatal naming the option that no training could follow."""
    from worker.modeling.training.recipe import Recipe

    recipe = Recipe(
        encoder=str(chosen.encoder),
        train=tuple(map(str, chosen.train)),
        labels=tuple(chosen.labels),
        clean=tuple(map(str, chosen.clean)),
        epochs=chosen.epochs,
        learning_rate=chosen.learning_rate,
        batch_size=chosen.batch_size,
        max_length=chosen.max_length,
        normalisation=read_normalisation(chosen.normalise),
        head=chosen.head,
        dropout=chosen.dropout,
        encoder_dropout=chosen.encoder_dropout,
        weight_decay=chosen.weight_decay,
        warmup=chosen.warmup,
        layer_decay=chosen.layer_decay,
        average=chosen.average,
        patience=chosen.patience,
        soft_labels=not chosen.hard_labels,
        source_heads=chosen.source_heads,
        source_priors=chosen.source_priors,
        source_offsets=dict(chosen.source_offset),
        source_weights=dict(chosen.source_weight),
        positive_weights=dict(chosen.positive_weight),
        pair_weight=chosen.pair_weight,
        pair_margin=chosen.pair_margin,
        explanation_weight=chosen.explanation_weight,
        shuffle_labels=chosen.shuffle_labels,
        seed=chosen.seed,
        fold=chosen.fold,
        folds=chosen.folds,
        **more,
    )
    recipe.check(chosen.dev)
    return recipe


def read_normalisation(choices: Sequence[tuple[str, str]]) -> "Normalisation":
    """What `--normalise` chose. Raises Fatal naming an option or a choice that there is not."""
    from worker.core.errors import Fatal
    from worker.text.options import Normalisation

    try:
        return Normalisation.of(dict(choices))
    except ValueError as error:
        raise Fatal(f"--normalise: {error}") from error


def choice(text: str) -> tuple[str, str]:
    """`OPTION=CHOICE`; without a choice it is "", which no option has."""
    name, _, value = text.partition("=")
    return name, value


def _weight(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        weight = float(value)
    except ValueError:
        weight = math.nan
    if not (name and 0 <= weight < math.inf):
        raise argparse.ArgumentTypeError(f"{text!r}: expected NAME=WEIGHT, 0 or more, such as davidson=0.5")
    return name, weight


def _offset(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    source, _, label = name.rpartition(":")
    try:
        offset = float(value)
    except ValueError:
        offset = math.nan
    if not (source and label and math.isfinite(offset)):
        raise argparse.ArgumentTypeError(f"{text!r}: expected SOURCE:LABEL=LOGITS, such as hatexplain:hate=-1")
    return name, offset


_LABELS = "from the graver to the milder, which annotators' `votes` for the graver imply (default: hate offensive)"
_HEAD = "[CLS] -> dropout -> linear, or an LSTM over all tokens, for teachers: no serving graph has one"
_AVERAGE = "keep a running mean of the weights: each step brings in 1 - DECAY of the new ones (default 0: none)"
_CLEAN = (
    "posts that bear no label (from `select`): with them, sources that hold positives alone are trained on too; "
    "without, such a label is unknown there"
)
_DEV = "files whose AUROC is reported after each epoch, for both halves; `selection` decides about stopping"
_FOLD = "train without this part of the labelled posts (from 0): a teacher that distill asks about that part alone"
_NORMALISE = "of quotes, handles, urls, numbers, emoji, repeats, lookalikes, hangul; the bundle serves with the same"
_SOURCE_WEIGHT = "weight of a source's posts; its name is the first part of the file's name"
_PRIORS = (
    "of its source's log-odds of a label (less those of all sources), added to a post's logit in the loss (logit "
    "adjustment): with 1, a post's style, which tells of its source, need not tell of its label; for teachers that were "
    "trained without it (default 0)"
)
_OFFSET = (
    "logits added in the loss to a label of a source's posts and their copies, on top of --source-priors: below 0 where its "
    "annotators see the label less often in the same posts; for teachers that were trained without it (default: none)"
)
_POSITIVE = "weight of a label's positives"
_EXPLANATION = "mean square of what identity terms add to the logits (Kennedy et al. 2020)"
