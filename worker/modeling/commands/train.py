"""`moderation-model train`."""

import argparse

from worker.modeling.commands.training_options import add_training_options, read_recipe

HELP = "fine-tune an encoder to a classifier (resumable)"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to `parser`."""
    add_training_options(parser)

    def run(chosen: argparse.Namespace) -> None:
        from worker.modeling.training.train import train

        train(read_recipe(chosen), chosen.dev, chosen.out, chosen.checkpoint_minutes * 60)

    parser.set_defaults(run=run)
