"""`moderation-model card`."""

import argparse
from pathlib import Path

HELP = "write a bundle's MODEL_CARD.md from what evaluate measured"
ABOUT = """TOML: `encoder` and `vocabulary` (what they were, whose, under what licence), and if you like `licence` (of the bundle),
`make` (the command that makes it), `teachers` (whose scores it learnt), `data`, `use` and `limits` (Markdown: other posts;
what it is for; what it cannot do)
and `probes` (made-up sentences to show with their scores)"""

_TEACHERS = "classifiers that taught it, beside the one that its encoder was: what set their trainings apart is told"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to `parser`."""
    parser.add_argument("--bundle", type=Path, required=True, help="bundle directory; the card is written into it")
    parser.add_argument("--classifier", type=Path, required=True, help="the classifier it was exported from")
    parser.add_argument("--about", type=Path, required=True, help=ABOUT)
    parser.add_argument("--metrics", nargs="+", required=True, metavar="HEADING=FILE", help="files of evaluate --json")

    parser.add_argument("--teachers", type=Path, nargs="*", default=[], metavar="DIR", help=_TEACHERS)

    def run(chosen: argparse.Namespace) -> None:
        from worker.modeling.model_card.card import parse_metrics, write_card

        metrics = parse_metrics(chosen.metrics)
        print(write_card(chosen.bundle, chosen.classifier, chosen.about, metrics, chosen.teachers))

    parser.set_defaults(run=run)
