"""`moderation-model warm-start`."""

import argparse
from pathlib import Path

from worker.modeling.commands.numbers import counts, positive_integer
from worker.modeling.commands.training_options import choice, read_normalisation

_TEXTS = (
    "texts that tell the tokens' frequencies, for --factorise, or the commonest emoji, for --emoji-rows, or whose "
    "pieces multilingual-e5-small must keep; files of lines or .jsonl, either with .zst"
)
_NORMALISE = "the texts of --factorise, as train and the bundle will, such as emoji=names (default: as written)"
_EMOJI = (
    "give the COUNT commonest emoji of --texts a spare row of the vocabulary each ([unusedN]; serve with emoji=keep)"
)
HELP = "an ELECTRA encoder from pretrained BERT-shaped weights"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to `parser`."""
    parser.add_argument(
        "source",
        help="all-minilm-l6-v2, bge-small-en-v15, e5-small-v2, google-bert-base-uncased (408 MB, twice that among temporary files), "
        "multilingual-e5-small (its vocabulary cut down to Korean and --texts), a directory (model.onnx, or Hugging Face's BERT, ELECTRA or SqueezeBERT), or a hub id",
    )
    parser.add_argument("--out", type=Path, required=True, help="encoder directory to write: new or empty")
    parser.add_argument("--layers", type=counts, help="layers to keep, from 0, such as 0,2,4,6,8,10 (default: all)")
    parser.add_argument("--factorise", type=int, metavar="DIMENSIONS", help="factorise the embeddings, such as to 128")
    parser.add_argument("--texts", type=Path, nargs="+", default=[], help=_TEXTS)
    parser.add_argument("--normalise", type=choice, nargs="*", default=[], metavar="OPTION=CHOICE", help=_NORMALISE)
    parser.add_argument("--emoji-rows", type=int, metavar="COUNT", help=_EMOJI)
    parser.add_argument("--heads", type=positive_integer, default=12, help="attention heads, for a bare ONNX export")

    def run(chosen: argparse.Namespace) -> None:
        from worker.modeling.encoders.warm_start import warm_start

        made = warm_start(
            chosen.source,
            chosen.out,
            chosen.layers,
            chosen.factorise,
            chosen.texts,
            chosen.heads,
            chosen.emoji_rows,
            read_normalisation(chosen.normalise),
        )
        print(f"{chosen.out}: hidden states differ from the source by {made.difference:.1e} at most")
        if made.emoji:
            print(f"{len(made.emoji)} emoji have rows of their own: train it before use, with emoji=keep")
        if lost := made.factorised:
            print(
                f"then factorised to {lost.dimensions} dimensions, which is an approximation: of the energy of the "
                f"embeddings {lost.projected:.1%} lost before the fit and {lost.fitted:.1%} after it; cosine of the "
                f"[CLS] states {lost.cls_cosine:.3f}: train it or distil it before use"
            )

    parser.set_defaults(run=run)
