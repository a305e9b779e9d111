"""`moderation-model average`."""

import argparse
from pathlib import Path

HELP = "the mean of the weights of several trainings from one encoder: one classifier of the size of each"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to `parser`."""
    parser.add_argument(
        "--classifier",
        type=Path,
        nargs="+",
        required=True,
        help="classifier directories, trained alike from the same encoder: with another --seed, say, or other weights",
    )
    parser.add_argument("--out", type=Path, required=True, help="classifier directory to write: new or empty")

    def run(chosen: argparse.Namespace) -> None:
        from worker.modeling.training.average import average

        average(chosen.classifier, chosen.out)
        print(f"{chosen.out}: the mean of {len(chosen.classifier)} classifiers' weights")

    parser.set_defaults(run=run)
