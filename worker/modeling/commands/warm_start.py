"""`moderation-model warm-start`."""

import argparse
from pathlib import Path

HELP = "an ELECTRA encoder from pretrained BERT-shaped weights"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to `parser`."""
    parser.add_argument("source", help="all-minilm-l6-v2, a directory (model.onnx or Hugging Face), or a hub id")
    parser.add_argument("--out", type=Path, required=True, help="encoder directory to write")
    parser.add_argument("--heads", type=int, default=12, help="attention heads, for a bare ONNX export")

    def run(chosen: argparse.Namespace) -> None:
        from worker.modeling.warm_start import warm_start

        difference = warm_start(chosen.source, chosen.out, chosen.heads)
        print(f"{chosen.out}: hidden states differ from the source by {difference:.1e} at most")

    parser.set_defaults(run=run)
