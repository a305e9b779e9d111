"""`moderation-model encoders`."""

import argparse
import json
from itertools import islice
from pathlib import Path

HELP = "encoders side by side: parameters, int8 size, posts/s in the serving path, parity, quality"
TOKENIZER = Path(__file__).parents[2] / "bundles" / "default" / "tokenizer.json"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to `parser`."""
    parser.add_argument("--out", type=Path, required=True, help="directory to write encoders.json, .md and .png to")
    parser.add_argument(
        "--only", nargs="*", metavar="NAME", help="which of the shapes with random weights (default: all; none: none)"
    )
    parser.add_argument(
        "--classifier",
        nargs="+",
        default=[],
        metavar="NAME=DIR",
        help="trained classifier directories; one with the name of a shape takes its place",
    )
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        default=[],
        help="development files: quality of --classifier on their report halves",
    )
    parser.add_argument("--posts", type=Path, help="posts to time: lines or .jsonl, plain or .zst (default: made-up)")
    parser.add_argument(
        "--count",
        type=int,
        default=256,
        help="how many posts to time (256); one in four of them compares, the others calibrate",
    )
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds, of which the median counts (5)")
    parser.add_argument("--tokenizer", type=Path, default=TOKENIZER, help="of the random encoders (the bundled one)")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> None:
    """Compare, write the files and print the table."""
    from worker.core.errors import Fatal
    from worker.model.tokenizer import load_tokenizer
    from worker.modeling.comparison.posts import made_up
    from worker.modeling.comparison.report import markdown, plot
    from worker.modeling.comparison.shapes import ENCODERS
    from worker.modeling.comparison.table import Comparison, as_json, measure
    from worker.modeling.encoders.directories import written_aside
    from worker.modeling.posts.texts import read_texts

    if chosen.count < 1 or chosen.rounds < 1:
        raise Fatal("encoders: --count and --rounds are at least 1")
    known = [encoder.name for encoder in ENCODERS]
    wanted = known if chosen.only is None else chosen.only
    unknown = sorted(set(wanted).difference(known))
    if unknown:
        raise Fatal(f"encoders: --only {unknown[0]!r}: the shapes are {', '.join(map(repr, known))}")
    trained = [tuple(pair.partition("=")[::2]) for pair in chosen.classifier]
    if not all(name and directory for name, directory in trained):
        raise Fatal("encoders: --classifier: give NAME=DIR")
    tokenizer = load_tokenizer(chosen.tokenizer)
    texts = list(islice(read_texts([chosen.posts]), chosen.count)) if chosen.posts else made_up(tokenizer, chosen.count)
    replaced = {name for name, _ in trained}
    job = Comparison(
        encoders=tuple(e for e in ENCODERS if e.name in wanted and e.name not in replaced),
        classifiers=tuple((name, Path(directory)) for name, directory in trained),
        tokenizer=chosen.tokenizer,
        texts=tuple(texts),
        data=tuple(chosen.data),
        rounds=chosen.rounds,
    )
    with written_aside(chosen.out) as aside:
        rows = measure(job)
        table = markdown(rows, f"{len(texts)} posts of {'--posts' if chosen.posts else 'made-up words'}")
        (aside / "encoders.json").write_text(json.dumps(as_json(rows), indent=2) + "\n", encoding="utf-8")
        (aside / "encoders.md").write_text(table, encoding="utf-8")
        plot(rows, aside / "encoders.png")
    print(table)
