"""`moderation-model`: make a bundle, step by step."""

import argparse
import json
import sys
from pathlib import Path

from worker.core.errors import Fatal

QUANTIZATION_HELP = (
    "int8-7bit (default): right on every x86 CPU, because weights within ±63 keep the 16-bit sums of CPUs without "
    "VNNI from saturating; int8: weights within ±127, only for fleets whose x86 CPUs all have VNNI (on others its "
    "scores are wrong, and the worker refuses it); fp32: four times the size, as a reference"
)
BLOCK_HELP = (
    "labels that may block (default: none, posts go to review at most). Measure on your own posts before; a policy "
    "file (MODERATION_POLICY_FILE) turns blocking on without a new export"
)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="moderation-model",
        description="Makes the classifier bundles that moderation-worker serves: "
        "warm-start -> train -> export -> evaluate.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    _warm_start(commands.add_parser("warm-start", help="an ELECTRA encoder from pretrained BERT-shaped weights"))
    _train(commands.add_parser("train", help="fine-tune an encoder to a classifier (resumable)"))
    _export(commands.add_parser("export", help="a classifier to a bundle: quantize, choose thresholds, verify"))
    _evaluate(commands.add_parser("evaluate", help="metrics on labelled posts, of a bundle or of the TF-IDF floor"))
    _card(commands.add_parser("card", help="write a bundle's MODEL_CARD.md from what evaluate measured"))
    chosen = parser.parse_args(arguments)
    try:
        chosen.run(chosen)
    except Fatal as error:
        print(f"moderation-model {chosen.command}: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "worker":
            raise  # ours is missing: a bug, which no installation mends
        print(
            f"moderation-model {chosen.command}: {error.name} is not installed: this command needs more than the "
            "worker: pip install 'moderation-worker[modeling]'",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _warm_start(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", help="all-minilm-l6-v2, a directory (model.onnx or Hugging Face), or a hub id")
    parser.add_argument("--out", type=Path, required=True, help="encoder directory to write")
    parser.add_argument("--heads", type=int, default=12, help="attention heads, for a bare ONNX export")

    def run(chosen: argparse.Namespace) -> None:
        from worker.modeling.warm_start import warm_start

        difference = warm_start(chosen.source, chosen.out, chosen.heads)
        print(f"{chosen.out}: hidden states differ from the source by {difference:.1e} at most")

    parser.set_defaults(run=run)


def _train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--encoder", type=Path, required=True, help="encoder directory (from warm-start)")
    parser.add_argument("--train", type=Path, nargs="+", required=True, help="JSON Lines files of labelled posts")
    parser.add_argument("--dev", type=Path, nargs="*", default=[], help="files to report AUROC on after each epoch")
    parser.add_argument("--out", type=Path, required=True, help="classifier directory; holds the checkpoint too")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--max-length", type=int, default=128, help="tokens; also the window length when serving")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint-minutes", type=float, default=10)

    def run(chosen: argparse.Namespace) -> None:
        from worker.modeling.train import Recipe, train

        recipe = Recipe(
            encoder=str(chosen.encoder),
            train=tuple(map(str, chosen.train)),
            epochs=chosen.epochs,
            learning_rate=chosen.learning_rate,
            batch_size=chosen.batch_size,
            max_length=chosen.max_length,
            seed=chosen.seed,
        )
        train(recipe, chosen.dev, chosen.out, chosen.checkpoint_minutes * 60)

    parser.set_defaults(run=run)


def _export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--classifier", type=Path, required=True, help="classifier directory (from train)")
    parser.add_argument("--out", type=Path, required=True, help="bundle directory to write")
    parser.add_argument("--calibration", type=Path, nargs="+", default=[], help="training files, for int8 ranges")
    parser.add_argument("--dev", type=Path, nargs="*", default=[], help="files to choose thresholds on (else 0.5)")
    parser.add_argument("--block", nargs="*", default=[], metavar="LABEL", help=BLOCK_HELP)
    parser.add_argument(
        "--quantization", choices=("int8-7bit", "int8", "fp32"), default="int8-7bit", help=QUANTIZATION_HELP
    )
    parser.add_argument("--layout", choices=("packed", "padded"), default="packed")
    parser.add_argument("--name", required=True, help="the model's name in verdicts and metrics")
    parser.add_argument("--version", required=True)
    parser.add_argument("--language", default="en", help="BCP 47")
    parser.add_argument("--overlap", type=int, default=32, help="tokens that adjacent windows of a long post share")

    def run(chosen: argparse.Namespace) -> None:
        from worker.modeling.export import Export, export

        names = {"int8": "int8-static", "int8-7bit": "int8-static-7bit", "fp32": "fp32"}
        job = Export(
            classifier=chosen.classifier,
            out=chosen.out,
            name=chosen.name,
            version=chosen.version,
            calibration=tuple(chosen.calibration),
            dev=tuple(chosen.dev),
            may_block=tuple(chosen.block),
            quantization=names[chosen.quantization],  # type: ignore[arg-type]  # argparse checked it
            layout=chosen.layout,
            language=chosen.language,
            overlap=chosen.overlap,
        )
        print(json.dumps(export(job), indent=2))

    parser.set_defaults(run=run)


def _evaluate(parser: argparse.ArgumentParser) -> None:
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


def _card(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bundle", type=Path, required=True, help="bundle directory; the card is written into it")
    parser.add_argument("--classifier", type=Path, required=True, help="the classifier it was exported from")
    parser.add_argument("--encoder", required=True, help="what the encoder was, whose, and under what licence")
    parser.add_argument("--vocabulary", required=True, help="the same of the tokenizer's vocabulary")
    parser.add_argument("--metrics", nargs="+", required=True, metavar="HEADING=FILE", help="files of evaluate --json")

    def run(chosen: argparse.Namespace) -> None:
        from worker.modeling.card import parse_metrics, write_card

        metrics = parse_metrics(chosen.metrics)
        print(write_card(chosen.bundle, chosen.classifier, chosen.encoder, chosen.vocabulary, metrics))

    parser.set_defaults(run=run)
