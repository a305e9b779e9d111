"""A SentencePiece (Unigram) vocabulary of many languages, cut down to the pieces that one language needs."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tokenizers import AddedToken, Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import Unigram
from tokenizers.processors import TemplateProcessing

from worker.modeling.encoders.vocabulary import SPECIAL

BLANK = "\u2581"
"""Stands for the blank before a word (SentencePiece's)."""

Piece = tuple[str, float]
"""A piece and its log-probability."""

_HANGUL = re.compile("[\u1100-\u11ff\uac00-\ud7a3]")  # after NFKC, which has no other jamo
_SHORT_ASCII = re.compile(f"{BLANK}?[!-~]|[!-~]{{2}}")
_SYMBOL = re.compile(f"{BLANK}?[\u2000-\u206f\u20a0-\u20bf\u2190-\u27bf\u3000-\u303f\U0001f000-\U0001faff]")


def of_korean(piece: str) -> bool:
    """Whether Korean posts need `piece`: all with Hangul, ASCII to spell foreign words with, punctuation, emoji."""
    return bool(_HANGUL.search(piece) or _SHORT_ASCII.fullmatch(piece) or _SYMBOL.fullmatch(piece)) or piece == BLANK


@dataclass(frozen=True, slots=True)
class Pruned:
    """A tokenizer and, for each of its pieces, the row of the original embeddings."""

    tokenizer: Tokenizer
    rows: tuple[int, ...]


def prune(
    pieces: Sequence[Piece], special: Sequence[int], wanted: Callable[[str], bool], texts: Iterable[str] = ()
) -> Pruned:
    """Keep the pieces that are `wanted`, and those that the original vocabulary cuts `texts` into.

    `special`: rows of [PAD], [UNK], [CLS], [SEP], [MASK], which come first. The kept pieces keep their order and
    probabilities, so that a text whose pieces are all kept is cut as before.
    """
    kept = {row for row, (piece, _) in enumerate(pieces) if wanted(piece)}
    unknown = special[SPECIAL.index("[UNK]")]
    original = tokenizer_of([(piece, score) for piece, score in pieces], unknown)
    for text in texts:
        kept.update(original.encode(text, add_special_tokens=False).ids)
    rows = (*special, *sorted(kept.difference(special)))
    named = [*((name, 0.0) for name in SPECIAL), *(pieces[row] for row in rows[len(SPECIAL) :])]
    tokenizer = tokenizer_of(named, SPECIAL.index("[UNK]"))
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in SPECIAL])
    ends = [(name, SPECIAL.index(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return Pruned(tokenizer, rows)


def tokenizer_of(pieces: Sequence[Piece], unknown: int) -> Tokenizer:
    """A tokenizer that cuts like XLM-RoBERTa's: NFKC, blanks as one, words apart, the likeliest pieces of each."""
    tokenizer = Tokenizer(Unigram(list(pieces), unk_id=unknown, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(BLANK, " "),
            normalizers.NFKC(),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=BLANK, prepend_scheme="always", split=True)
    return tokenizer
