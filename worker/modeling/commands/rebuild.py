"""`moderation-model rebuild`."""

import argparse
from pathlib import Path

HELP = "a bundle's graph as this version of the tools builds it, from its own weights: every score bit for bit the same"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to `parser`."""
    parser.add_argument("--bundle", type=Path, required=True, help="bundle directory (made by export)")
    parser.add_argument("--out", type=Path, required=True, help="bundle directory to write; a bundle there is replaced")
    parser.add_argument("--version", required=True, help="of the new bundle")

    def run(chosen: argparse.Namespace) -> None:
        from worker.modeling.export.rebuild import rebuild

        compared = rebuild(chosen.bundle, chosen.out, chosen.version)
        print(f"{chosen.out}: {compared} windows have the same scores as in {chosen.bundle}, bit for bit")

    parser.set_defaults(run=run)
