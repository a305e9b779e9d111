"""`moderation-model restore`."""

import argparse
from pathlib import Path

HELP = "a bundle back to a classifier directory: to go on from it with train, distil from it, or export it anew"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to `parser`."""
    parser.add_argument("--bundle", type=Path, required=True, help="bundle directory (made by export)")
    parser.add_argument("--out", type=Path, required=True, help="classifier directory to write: new or empty")

    def run(chosen: argparse.Namespace) -> None:
        from worker.modeling.export.restore import restore

        made = restore(chosen.bundle, chosen.out)
        print(
            f"{chosen.out}: {made.name} {made.version}, weights as its {made.quantization} graph holds them; "
            f"probabilities differ from the bundle's by {made.agreement.mean:.4f} on average"
        )

    parser.set_defaults(run=run)
