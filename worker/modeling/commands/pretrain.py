"""`moderation-model pretrain`."""

import argparse
from pathlib import Path
from typing import Any

from worker.modeling.commands.training_options import choice, read_normalisation

HELP = "pretrain an encoder on texts by replaced-token detection (resumable)"
_SHAPE = ("layers", "hidden", "embedding", "heads", "intermediate")


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to `parser`."""
    parser.add_argument("--texts", nargs="+", required=True, help="lines of text or JSON Lines; .zst is decompressed")
    parser.add_argument("--out", type=Path, required=True, help="encoder directory to write: new or empty")
    parser.add_argument("--encoder", help="encoder directory to go on from (from warm-start or pretrain)")
    parser.add_argument("--size", choices=("tiny", "small", "wide"), help="without --encoder (small)")
    for name in _SHAPE:
        parser.add_argument(f"--{name}", type=int, help=f"instead of the size's {name}")
    parser.add_argument("--vocabulary", help="tokenizer.json or vocab.txt, without --encoder")
    parser.add_argument("--train-vocabulary", type=int, metavar="SIZE", help="train a WordPiece vocabulary instead")
    parser.add_argument("--cased", action="store_true", help="of a vocab.txt or a trained vocabulary")
    parser.add_argument("--steps", type=int, help="budget in steps: the same result every time")
    parser.add_argument("--minutes", type=float, help="budget in minutes of work instead")
    parser.add_argument("--learning-rate", type=float, help="default: 1e-4 with --encoder, else 5e-4")
    parser.add_argument("--batch-size", type=int, default=32, help="sequences")
    parser.add_argument("--max-length", type=int, default=128, help="tokens in a sequence")
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="bf16")
    parser.add_argument(
        "--normalise", type=choice, nargs="*", default=[], metavar="OPTION=CHOICE", help="such as emoji=names"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint-minutes", type=float, default=10)

    def run(chosen: argparse.Namespace) -> None:
        from dataclasses import replace

        from worker.core.errors import Fatal
        from worker.modeling.pretraining.pretrain import pretrain
        from worker.modeling.pretraining.recipe import SIZES, PretrainRecipe

        shape: dict[str, Any] = {name: getattr(chosen, name) for name in _SHAPE if getattr(chosen, name) is not None}
        if chosen.encoder and (shape or chosen.size or chosen.cased):
            raise Fatal("pretrain: --encoder brings its shape and vocabulary: leave out --size, its parts and --cased")
        rate = chosen.learning_rate
        recipe = PretrainRecipe(
            texts=tuple(chosen.texts),
            encoder=chosen.encoder,
            shape=replace(SIZES[chosen.size or "small"], **shape),
            vocabulary=chosen.vocabulary,
            train_vocabulary=chosen.train_vocabulary,
            cased=chosen.cased,
            steps=chosen.steps,
            minutes=chosen.minutes,
            learning_rate=rate if rate is not None else 1e-4 if chosen.encoder else 5e-4,
            batch_size=chosen.batch_size,
            max_length=chosen.max_length,
            dropout=chosen.dropout,
            bf16=chosen.precision == "bf16",
            seed=chosen.seed,
            normalisation=read_normalisation(chosen.normalise),
        )
        pretrain(recipe, chosen.out, chosen.checkpoint_minutes * 60)

    parser.set_defaults(run=run)
