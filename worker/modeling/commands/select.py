"""`moderation-model select`."""

import argparse
from pathlib import Path

HELP = (
    "choose unlabelled posts for distill: half doubtful, a quarter likely, a quarter random; and clean ones for train"
)


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to `parser`."""
    parser.add_argument("--bundle", type=Path, required=True, help="the baseline that scores the posts")
    parser.add_argument("--texts", type=Path, nargs="+", required=True, help="lines or .jsonl, plain or .zst")
    parser.add_argument("--out", type=Path, required=True, help="JSON Lines file for distill --unlabelled")
    parser.add_argument("--count", type=int, default=20_000, help="posts to choose (default 20000)")
    parser.add_argument("--clean-out", type=Path, help="JSON Lines file for train --clean")
    parser.add_argument("--clean", type=int, default=8_000, help="clean posts to choose, with --clean-out")
    parser.add_argument("--pool", type=int, default=60_000, help="random posts to score and choose from")
    parser.add_argument("--longest", type=int, default=300, help="characters of a post, at most (default 300)")
    parser.add_argument("--seed", type=int, default=0)

    def run(chosen: argparse.Namespace) -> None:
        from worker.model.classifier import Classifier
        from worker.modeling.select import Selection, select, write

        baseline = Classifier.load(chosen.bundle)
        wanted = Selection(
            count=chosen.count,
            clean=chosen.clean if chosen.clean_out else 0,
            pool=chosen.pool,
            longest=chosen.longest,
            seed=chosen.seed,
        )
        found, clean = select(baseline, chosen.texts, wanted)
        write(chosen.out, found)
        print(f"{chosen.out}: {len(found):,} posts")
        if chosen.clean_out:
            write(chosen.clean_out, clean, baseline.labels)
            print(f"{chosen.clean_out}: {len(clean):,} posts")

    parser.set_defaults(run=run)
