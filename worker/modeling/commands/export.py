"""`moderation-model export`."""

import argparse
from pathlib import Path

from worker.modeling.commands.numbers import count, positive_integer

HELP = "a classifier to a bundle: quantize, calibrate scores, choose thresholds, verify"
QUANTIZATION_HELP = (
    "int8-7bit (default): right on every x86 CPU, because weights within ±63 keep the 16-bit sums of CPUs without "
    "VNNI from saturating; int8: weights within ±127, only for fleets whose x86 CPUs all have VNNI (on others its "
    "scores are wrong, and the worker refuses it); fp32: four times the size, as a reference"
)
BLOCK_HELP = (
    "labels that may block (default: none, posts go to review at most). Measure on your own posts before; a policy "
    "file (MODERATION_POLICY_FILE) turns blocking on without a new export"
)
DEV_HELP = (
    "labelled files that were not trained on: one half of each (by a hash of the id) calibrates scores and chooses "
    "thresholds, all of them measure what quantization costs (without: thresholds at 0.5)"
)

TYPICAL_HELP = (
    "unlabelled posts as they come (lines or .jsonl, plain or .zst): the scores of the first 5,000 of each file are "
    "counted in reference.json, beside those of --dev, so that you can tell later whether your posts have changed"
)


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to `parser`."""
    parser.add_argument("--classifier", type=Path, required=True, help="classifier directory (from train)")
    parser.add_argument("--out", type=Path, required=True, help="bundle directory to write; a bundle there is replaced")
    parser.add_argument("--dev", type=Path, nargs="*", default=[], help=DEV_HELP)
    parser.add_argument("--typical", type=Path, nargs="*", default=[], help=TYPICAL_HELP)
    parser.add_argument("--block", nargs="*", default=[], metavar="LABEL", help=BLOCK_HELP)
    parser.add_argument("--layout", choices=("packed", "padded"), default="packed")
    parser.add_argument("--name", required=True, help="the model's name in verdicts and metrics")
    parser.add_argument("--version", required=True)
    parser.add_argument("--language", default="en", help="BCP 47")
    parser.add_argument(
        "--overlap", type=int, help="tokens that adjacent windows of a long post share (a quarter of a window)"
    )
    parser.add_argument(
        "--calibrate",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="Platt scaling: slope and intercept of each label's logit, fitted on --dev, so that probabilities mean what they say",
    )
    _add_quantization(parser.add_argument_group("quantization"))
    _add_bounds(
        parser.add_argument_group(
            "the most that int8 may cost, for any label and file of --dev that holds 200 posts or more"
        )
    )
    parser.set_defaults(run=run)


def _add_quantization(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--quantization", choices=("int8-7bit", "int8", "fp32"), default="int8-7bit", help=QUANTIZATION_HELP
    )
    group.add_argument(
        "--calibration", type=Path, nargs="+", default=[], help="training files, one for each source, for int8 ranges"
    )
    group.add_argument(
        "--calibration-posts",
        type=positive_integer,
        default=2400,
        help="posts to read ranges from, as many of each file (2400)",
    )
    group.add_argument(
        "--calibration-method",
        choices=("auto", "min-max", "percentile", "mse"),
        default="auto",
        help="an activation's range: all values, the middle --percentile of them, the least squared error, or (auto, "
        "the default) whichever of these brings the scores nearest to float32",
    )
    group.add_argument("--percentile", type=float, default=99.99, help="for --calibration-method percentile (99.99)")
    group.add_argument(
        "--smoothing",
        type=float,
        nargs="+",
        default=[0.0, 0.85],
        metavar="STRENGTH",
        help="move outliers of activations into weights (SmoothQuant's alpha, 0 to 1; 0: not at all, which is a few "
        "per cent faster); of several, the one that brings the scores nearest to float32 (0 0.85)",
    )
    group.add_argument(
        "--keep-fp32", nargs="+", default=[], metavar="NAME", help="layers (or beginnings of names) not to quantize"
    )
    group.add_argument(
        "--sensitivity", action="store_true", help="also measure what each layer would bring if it stayed in float32"
    )
    group.add_argument(
        "--quantize-aware",
        type=count,
        default=0,
        metavar="STEPS",
        help="train so many steps with rounded weights and activations, to agree with itself in float32 (0)",
    )


def _add_bounds(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--max-auroc-cost", type=float, default=0.003, help="of AUROC (0.003)")
    group.add_argument("--max-flips", type=float, default=0.02, help="share of decisions that change (0.02)")
    group.add_argument("--max-clear-flips", type=float, default=0.01, help="the same, of scores outside .45-.55 (0.01)")


def run(chosen: argparse.Namespace) -> None:
    """Export, and print the report."""
    import json

    from worker.modeling.export.parity import Bounds
    from worker.modeling.export.run import Export, export

    names = {"int8": "int8-static", "int8-7bit": "int8-static-7bit", "fp32": "fp32"}
    job = Export(
        classifier=chosen.classifier,
        out=chosen.out,
        name=chosen.name,
        version=chosen.version,
        calibration=tuple(chosen.calibration),
        dev=tuple(chosen.dev),
        typical=tuple(chosen.typical),
        may_block=tuple(chosen.block),
        quantization=names[chosen.quantization],  # type: ignore[arg-type]  # argparse checked it
        layout=chosen.layout,
        language=chosen.language,
        overlap=chosen.overlap,
        calibration_posts=chosen.calibration_posts,
        calibration_method=chosen.calibration_method,
        percentile=chosen.percentile,
        keep_fp32=tuple(chosen.keep_fp32),
        smoothing=tuple(chosen.smoothing),
        calibrate=chosen.calibrate,
        bounds=Bounds(chosen.max_auroc_cost, chosen.max_flips, chosen.max_clear_flips),
        sensitivity=chosen.sensitivity,
        quantize_aware=chosen.quantize_aware,
    )
    print(json.dumps(export(job), indent=2))
