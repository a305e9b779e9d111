"""`moderation-model thresholds`."""

import argparse
from pathlib import Path

HELP = "a policy file: review and block thresholds for a wanted precision on your own posts"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to `parser`."""
    parser.add_argument("--bundle", type=Path, required=True, help="bundle directory; it stays as it is")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="JSON Lines files of labelled posts")
    parser.add_argument(
        "--precision", type=float, required=True, help="share of flagged posts that must be right, such as 0.9"
    )
    parser.add_argument("--block-precision", type=float, help="the same of blocked posts (default: nothing blocks)")
    parser.add_argument(
        "--half",
        choices=("selection", "report", "all"),
        default="selection",
        help="of each file's posts, to choose on; the other half says what it does (default: selection)",
    )
    parser.add_argument("--out", type=Path, required=True, help="policy file to write, for MODERATION_POLICY_FILE")

    def run(chosen: argparse.Namespace) -> None:
        from worker.modeling.bundles import load_named
        from worker.modeling.evaluation.proposal import propose, write_policy

        classifier = load_named(chosen.bundle)
        found = propose(classifier, chosen.data, chosen.precision, chosen.block_precision, chosen.half)
        version = write_policy(chosen.out, found.thresholds)
        print(f"{found.text}\n{chosen.out}: policy {version}: MODERATION_POLICY_FILE={chosen.out}")

    parser.set_defaults(run=run)
