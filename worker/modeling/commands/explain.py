"""`moderation-model explain`."""

import argparse
from pathlib import Path

from worker.modeling.commands.numbers import positive_integer

HELP = "which words carried the scores of posts, and how good such explanations are"
METHOD_HELP = (
    "occlusion (default for --bundle): the fall of the label's log-odds where a word is left out; masking: the same "
    "with [MASK] in its place; integrated-gradients (default for --classifier, and its only one)"
)


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to `parser`."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--bundle", type=Path, help="bundle directory: the serving session")
    what.add_argument("--classifier", type=Path, help="classifier directory (from train): the checkpoint")
    parser.add_argument("--method", choices=("occlusion", "masking", "integrated-gradients"), help=METHOD_HELP)
    parser.add_argument("--steps", type=int, help="points on the path of integrated gradients (32)")
    posts = parser.add_argument_group("posts")
    posts.add_argument("--data", type=Path, nargs="+", default=[], help="JSON Lines files of posts")
    posts.add_argument("--text", nargs="+", default=[], help="texts to explain")
    posts.add_argument(
        "--posts", type=positive_integer, help="at most so many posts of each file (of each label, with --measure)"
    )
    posts.add_argument("--label", action="append", help="a label to explain (default: all; may be repeated)")
    posts.add_argument("--html", type=Path, help="write the explanations to a page")
    parser.add_argument(
        "--measure",
        action="store_true",
        help="agreement with the words that people marked in --data (`rationales` or `spans`), faithfulness, and what "
        "identity terms carry in neutral sentences",
    )
    parser.add_argument(
        "--json", type=Path, help="also write the explanations (JSON Lines) or the measures to this file"
    )

    def run(chosen: argparse.Namespace) -> None:
        from worker.core.errors import Fatal
        from worker.modeling.explain.run import explain_posts, load_method, measure_method

        if chosen.measure and (chosen.html or chosen.text or chosen.label):
            raise Fatal("explain: --html, --text and --label show explanations of posts: leave them out with --measure")
        method, note, thresholds = load_method(chosen.bundle, chosen.classifier, chosen.method, chosen.steps)
        if chosen.measure:
            print(measure_method(method, note, thresholds, chosen.data, chosen.posts, chosen.json))
        else:
            explain_posts(method, note, chosen)

    parser.set_defaults(run=run)
