"""`moderation-model suite`."""

import argparse
from pathlib import Path

HELP = "how a bundle does on made-up cases of known blind spots, and on harmless sentences about each identity group"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to `parser`."""
    parser.add_argument("--bundle", type=Path, required=True, help="bundle directory, measured at 0.5")
    parser.add_argument("--json", type=Path, help="also write the results to this file")

    def run(chosen: argparse.Namespace) -> None:
        from worker.modeling.suite.report import report

        print(report(chosen.bundle, chosen.json))

    parser.set_defaults(run=run)
