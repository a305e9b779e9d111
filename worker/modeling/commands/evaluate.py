"""`moderation-model evaluate`."""

import argparse
from pathlib import Path

from worker.modeling.commands.numbers import count, positive_integer

HELP = "metrics on labelled posts, of a bundle, of the TF-IDF floor, or of both side by side"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to `parser`."""
    parser.add_argument("--bundle", type=Path, help="bundle directory, measured at its own thresholds")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="JSON Lines files of labelled posts")
    parser.add_argument(
        "--half",
        choices=("all", "report", "selection"),
        default="all",
        help="of each file: `selection` chooses thresholds, `report` is for figures to publish (default: all)",
    )
    parser.add_argument("--reference", type=Path, help="another bundle, to compare scores and actions with")
    parser.add_argument("--unlabelled", type=Path, help="posts to count flags on: lines or .jsonl, plain or .zst")
    parser.add_argument(
        "--unlabelled-posts", type=positive_integer, default=2000, help="of those at most so many, from the top"
    )
    parser.add_argument("--speed-posts", type=count, default=0, help="also time so many posts (0: none); noisy")
    parser.add_argument("--json", type=Path, help="also write the metrics to this file, for card")
    parser.add_argument("--report", type=Path, metavar="DIR", help="also write a Markdown report with plots there")
    floor = parser.add_argument_group("the TF-IDF floor")
    floor.add_argument("--baseline", action="store_true", help="measure the floor, trained on --train, at 0.5")
    floor.add_argument("--baseline-per-source", action="store_true", help="and one floor of each --train file alone")
    floor.add_argument("--train", type=Path, nargs="+", default=[], help="training files of the floor")
    floor.add_argument(
        "--train-posts", type=positive_integer, help="train the floor on an even sample of so many posts"
    )
    floor.add_argument("--shuffle-labels", type=int, metavar="SEED", help="a control: AUROC must be about one half")
    floor.add_argument("--cache", type=Path, metavar="DIR", help="keep the floors' scores there, and use them again")
    floor.add_argument("--labels", nargs="+", default=["hate", "offensive"], help="labels of a floor without a bundle")

    def run(chosen: argparse.Namespace) -> None:
        from worker.modeling.evaluation.run import Evaluation, run_evaluation

        print(
            run_evaluation(
                Evaluation(
                    data=tuple(chosen.data),
                    bundle=chosen.bundle,
                    half=chosen.half,
                    reference=chosen.reference,
                    unlabelled=chosen.unlabelled,
                    unlabelled_posts=chosen.unlabelled_posts,
                    speed_posts=chosen.speed_posts,
                    json=chosen.json,
                    report=chosen.report,
                    baseline=chosen.baseline or chosen.baseline_per_source,
                    per_source=chosen.baseline_per_source,
                    train=tuple(chosen.train),
                    train_posts=chosen.train_posts,
                    shuffle_seed=chosen.shuffle_labels,
                    cache=chosen.cache,
                    labels=tuple(chosen.labels),
                )
            )
        )

    parser.set_defaults(run=run)
