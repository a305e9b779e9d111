"""`moderation-model export`."""

import argparse
import json
from pathlib import Path

HELP = "a classifier to a bundle: quantize, choose thresholds, verify"
QUANTIZATION_HELP = (
    "int8-7bit (default): right on every x86 CPU, because weights within ±63 keep the 16-bit sums of CPUs without "
    "VNNI from saturating; int8: weights within ±127, only for fleets whose x86 CPUs all have VNNI (on others its "
    "scores are wrong, and the worker refuses it); fp32: four times the size, as a reference"
)
BLOCK_HELP = (
    "labels that may block (default: none, posts go to review at most). Measure on your own posts before; a policy "
    "file (MODERATION_POLICY_FILE) turns blocking on without a new export"
)


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to `parser`."""
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
