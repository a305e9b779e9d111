"""`moderation-model augment`."""

import argparse
from pathlib import Path

HELP = "made-up training posts against known blind spots, and spelling tricks on labelled posts"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to `parser`."""
    parser.add_argument("--out", type=Path, required=True, help="JSON Lines file to write, in the training format")
    parser.add_argument("--contrasts", action="store_true", help=_CONTRASTS)
    parser.add_argument("--seed", type=int, default=0, help="the same seed makes the same posts (default: 0)")
    parser.add_argument("--posts", type=int, default=12_000, help="posts made of templates (default: 12000)")
    parser.add_argument(
        "--spelling", type=Path, nargs="+", default=[], metavar="FILE", help="labelled posts to re-spell a share of"
    )
    parser.add_argument("--spelling-share", type=float, default=0.1, help="share of those posts (default: 0.1)")

    def run(chosen: argparse.Namespace) -> None:
        from worker.modeling.augmentation.generate import generate

        print(generate(chosen.out, chosen.seed, chosen.posts, chosen.spelling, chosen.spelling_share, chosen.contrasts))

    parser.set_defaults(run=run)


_CONTRASTS = (
    "the second set of templates instead of the first: what says hate beside what quotes it, counters it or speaks of "
    "something else, in wider wording"
)
