"""`moderation-model train`."""

import argparse
from pathlib import Path

HELP = "fine-tune an encoder to a classifier (resumable)"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to `parser`."""
    parser.add_argument("--encoder", type=Path, required=True, help="encoder directory (from warm-start)")
    parser.add_argument("--train", type=Path, nargs="+", required=True, help="JSON Lines files of labelled posts")
    parser.add_argument("--dev", type=Path, nargs="*", default=[], help="files to report AUROC on after each epoch")
    parser.add_argument("--out", type=Path, required=True, help="classifier directory; holds the checkpoint too")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--max-length", type=int, default=128, help="tokens; also the window length when serving")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint-minutes", type=float, default=10)

    def run(chosen: argparse.Namespace) -> None:
        from worker.modeling.train import Recipe, train

        recipe = Recipe(
            encoder=str(chosen.encoder),
            train=tuple(map(str, chosen.train)),
            epochs=chosen.epochs,
            learning_rate=chosen.learning_rate,
            batch_size=chosen.batch_size,
            max_length=chosen.max_length,
            seed=chosen.seed,
        )
        train(recipe, chosen.dev, chosen.out, chosen.checkpoint_minutes * 60)

    parser.set_defaults(run=run)
