"""Uncased (or cased) WordPiece tokenizers: read from a file or trained on texts."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, trainers
from tokenizers.models import WordPiece
from tokenizers.processors import BertProcessing

from worker.core.errors import Fatal
from worker.modeling.writing import write_text

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
"""In this order: [PAD] is 0, as the networks here have it."""

_ALPHABET = 1000
"""Different characters that a trained vocabulary spells, the commonest, as BERT's trainer has it."""


def read_tokenizer(file: Path) -> Tokenizer:
    """The tokenizer of a `tokenizer.json`, whole, neither padding nor truncating. Raises Fatal where it is none."""
    try:
        tokenizer = Tokenizer.from_str(file.read_text(encoding="utf-8"))
    except Exception as error:  # tokenizers raises bare Exception
        raise Fatal(f"warm-start: {file}: cannot be read: {error}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, file: Path) -> None:
    """Write a `tokenizer.json`, whole or not at all: its own `save` does neither. Raises Fatal where it cannot be."""
    write_text(file, tokenizer.to_str(pretty=True))


def read_vocabulary(path: Path, cased: bool = False) -> Tokenizer:
    """A tokenizer from a `tokenizer.json`, or a WordPiece one from a `vocab.txt` with one piece a line.

    Raises Fatal where the file cannot be read, holds a piece twice, or lacks a special token.
    """
    try:
        text = path.read_text(encoding="utf-8")
        tokenizer = Tokenizer.from_str(text) if path.suffix == ".json" else _word_piece(path, text, cased)
    except Fatal:
        raise
    except Exception as error:  # tokenizers raises bare Exception
        raise Fatal(f"{path}: no vocabulary: want a tokenizer.json or a vocab.txt: {error}") from error
    lacking = [token for token in SPECIAL if tokenizer.token_to_id(token) is None]
    if lacking:
        raise Fatal(f"{path}: the vocabulary lacks {', '.join(lacking)}")
    return tokenizer


def train_vocabulary(texts: Callable[[], Iterable[str]], size: int, cased: bool = False) -> Tokenizer:
    """A WordPiece tokenizer of at most `size` pieces, special tokens and single characters among them.

    The same texts give the same vocabulary. They are read twice, so `texts` is called twice. Raises Fatal where they
    have more different characters than pieces are wanted, or none.
    """
    empty = _around(WordPiece({"[UNK]": 0}, unk_token="[UNK]"), cased)  # noqa: S106
    first, later = _alphabet(empty, texts())
    if not first:
        raise Fatal("--train-vocabulary: the files given to --texts hold no text")
    # The trainer meets continuations in the order of a hash map, which differs from run to run, and breaks ties by
    # it. Given as special tokens they have their places from the start; the tokenizer made below has no such thing.
    pinned = [*SPECIAL, *first, *("##" + character for character in later)]
    if len(pinned) > size:
        raise Fatal(
            f"--train-vocabulary {size}: the texts' single characters alone make {len(pinned)} pieces: want more"
        )
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=pinned, show_progress=False)
    known = {*first, *later}
    normalizer = _normalizer(cased)  # one of its own: training locks the tokenizer's
    spelled = (_spelled(normalizer.normalize_str(text), known) for text in texts())
    empty.train_from_iterator(spelled, trainer)
    found: dict[str, int] = empty.get_vocab()
    return _of_pieces(sorted(found, key=found.__getitem__), cased)


def _alphabet(tokenizer: Tokenizer, texts: Iterable[str]) -> tuple[list[str], list[str]]:
    """The commonest characters of the texts, and those of them that continue words.

    Letters and digits all do: one that no piece continues with would stand alone in the hardened tokenizer.
    """
    everywhere: Counter[str] = Counter()
    inside = set()
    for text in texts:
        for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(text)):
            everywhere.update(word)
            inside.update(word[1:])
    first = sorted(everywhere, key=lambda character: (-everywhere[character], character))[:_ALPHABET]
    return sorted(first), sorted(c for c in first if c in inside or c.isalnum())


def _spelled(text: str, known: set[str]) -> str:
    return "".join(character if character in known else " " for character in text)


def _word_piece(path: Path, text: str, cased: bool) -> Tokenizer:
    pieces = text.splitlines()
    if len(set(pieces)) < len(pieces):
        raise Fatal(f"{path}: {len(pieces) - len(set(pieces))} pieces stand in it twice")
    return _of_pieces(pieces, cased)


def _of_pieces(pieces: Sequence[str], cased: bool) -> Tokenizer:
    """In the order of their ids."""
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = _around(WordPiece(vocabulary, unk_token="[UNK]"), cased)  # noqa: S106
    tokenizer.add_special_tokens([token for token in SPECIAL if token in vocabulary])
    if "[CLS]" in vocabulary and "[SEP]" in vocabulary:
        sep, cls = (("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
        tokenizer.post_processor = BertProcessing(sep, cls)
    return tokenizer


def _around(model: WordPiece, cased: bool) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = _normalizer(cased)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def _normalizer(cased: bool) -> normalizers.Normalizer:
    return normalizers.BertNormalizer(lowercase=not cased, strip_accents=not cased)
