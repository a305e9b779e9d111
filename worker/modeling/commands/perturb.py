"""`moderation-model perturb`."""

import argparse
from pathlib import Path

HELP = "copies of posts with words left out and exchanged, for distill --unlabelled"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to `parser`."""
    parser.add_argument("--posts", type=Path, nargs="+", required=True, metavar="FILE", help="JSON Lines of posts")
    parser.add_argument("--out", type=Path, required=True, help="JSON Lines file to write, without labels")
    parser.add_argument("--copies", type=int, default=1, help="of every post (default: 1)")
    parser.add_argument("--exchanged", type=float, default=0.1, metavar="SHARE", help=_EXCHANGED)
    parser.add_argument("--seed", type=int, default=0, help="the same seed makes the same copies (default: 0)")

    def run(chosen: argparse.Namespace) -> None:
        from worker.modeling.augmentation.perturb import perturb

        print(
            f"{chosen.out}: {perturb(chosen.posts, chosen.copies, chosen.seed, chosen.out, chosen.exchanged):,} posts"
        )

    parser.set_defaults(run=run)


_EXCHANGED = "of the words, for others of the file (default: 0.1); half of them leaves little of a post to recognise"
