"""`moderation-model heads`."""

import argparse
import json
from pathlib import Path

HELP = "how much sources disagree: each source's own head, and mixtures of them, on every source's posts"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to `parser`."""
    parser.add_argument(
        "--classifier",
        type=Path,
        nargs="+",
        required=True,
        help="classifier directories (from train or distill with --source-heads); of several, their mean logits",
    )
    parser.add_argument(
        "--data", type=Path, nargs="+", required=True, help="a development file of each source: SOURCE.dev.jsonl"
    )
    parser.add_argument("--label", default="hate", help="which label's scores (default hate)")
    parser.add_argument(
        "--floors",
        type=Path,
        metavar="JSON",
        help="what `evaluate --baseline-per-source --json` wrote: which mixture passes all of its floors, or misses by least",
    )
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> None:
    """Measure and print the table."""
    from worker.modeling.comparison.heads import markdown, measure

    floors = _floors(chosen.floors, chosen.label) if chosen.floors else {}
    print(markdown(measure(chosen.classifier, chosen.data, chosen.label, floors), floors))


def _floors(path: Path, label: str) -> dict[str, float]:
    from worker.core.errors import Fatal

    made = "`moderation-model evaluate --bundle ... --baseline --baseline-per-source --json`, without --half"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["half"] != "all" or not content["beside"]:
            raise Fatal(f"--floors {path}: has no floors of all posts, as those of --data are: give what {made} wrote")
        found = {row["file"]: max(row["floors"].values()) for row in content["beside"] if row["label"] == label}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Fatal(f"--floors {path}: cannot be read as what {made} wrote: {error!r}") from error
    if not found:
        raise Fatal(f"--floors {path}: has no floor of {label!r}")
    return found
