"""`moderation-model evaluate`."""

import argparse
import json
from pathlib import Path

HELP = "metrics on labelled posts, of a bundle or of the TF-IDF floor"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to `parser`."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--bundle", type=Path, help="bundle directory, measured at its own thresholds")
    what.add_argument("--baseline", action="store_true", help="the TF-IDF floor, trained on --train, at 0.5")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="JSON Lines files of labelled posts")
    parser.add_argument("--reference", type=Path, help="another bundle, to compare scores and actions with")
    parser.add_argument("--train", type=Path, nargs="+", default=[], help="training files of the floor")
    parser.add_argument("--train-posts", type=int, help="train the floor on an even sample of so many posts")
    parser.add_argument("--labels", nargs="+", default=["hate", "offensive"], help="labels of the floor")
    parser.add_argument("--json", type=Path, help="also write the metrics to this file, for card")

    def run(chosen: argparse.Namespace) -> None:
        from worker.modeling.metrics import as_json, markdown

        if chosen.bundle:
            from worker.model.classifier import Classifier
            from worker.modeling.evaluate import compare, describe, evaluate, score_files

            classifier = Classifier.load(chosen.bundle)
            scored = score_files(classifier, chosen.data)
            rows = evaluate(classifier, scored)
            note = describe(classifier)
            if chosen.reference:
                reference = Classifier.load(chosen.reference)
                note += " " + compare(classifier, scored, reference, score_files(reference, chosen.data))
        else:
            from worker.modeling.baseline import describe_baseline, evaluate_baseline

            rows = evaluate_baseline(chosen.train, chosen.data, chosen.labels, chosen.train_posts)
            note = describe_baseline(chosen.train_posts)
        if chosen.json:
            chosen.json.write_text(json.dumps({"note": note, "rows": as_json(rows)}, indent=2) + "\n", encoding="utf-8")
        print(f"{note}\n\n{markdown(rows)}")

    parser.set_defaults(run=run)
