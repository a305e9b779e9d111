"""The bundle's tokenizer, hardened so that no word can hide from the model.

A WordPiece tokenizer maps a whole word to one unknown token when a single character of it is missing from the
vocabulary (`slur` + an emoji) or when it is longer than 100 characters; a symbol it does know (a star before a
word) turns the word into a different piece; and `[SEP]` typed by an author becomes a control token. All would let
a word pass as harmless. So symbols and characters that no piece can spell stand alone, words are cut into pieces
short enough to be looked up, and special tokens in a text are text. Training takes the same path.

A Unigram (SentencePiece) tokenizer looks at single characters, in time that grows with the length alone: only what no
piece spells becomes unknown, and its control tokens are all there is to guard.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Regex, Tokenizer, pre_tokenizers
from tokenizers.models import Unigram, WordPiece

from worker.core.errors import Fatal

LONGEST_WORD = 64
"""Characters after which a word is cut. Well under WordPiece's limit of 100, and WordPiece's cost grows with its
square; the longest piece of the uncased vocabulary has 18 characters."""


def load_tokenizer(path: Path) -> Tokenizer:
    """Read a tokenizer.json and harden it: no truncation, no padding, no word lost to an unknown token.

    Raises Fatal where the file is missing or is no tokenizer.
    """
    try:
        tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as error:  # tokenizers raises bare Exception
        raise Fatal(f"tokenizer {path}: cannot be read: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    if isinstance(tokenizer.model, WordPiece):
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                tokenizer.pre_tokenizer or pre_tokenizers.BertPreTokenizer(),
                pre_tokenizers.Split(Regex(_alone(tokenizer)), behavior="isolated"),
                pre_tokenizers.FixedLength(LONGEST_WORD),
            ]
        )
    elif isinstance(tokenizer.model, Unigram):
        # Its control tokens are pieces like any other: one that is typed is cut after its first character.
        cut = pre_tokenizers.Split(Regex(_typed_control(tokenizer)), behavior="isolated")
        before = tokenizer.pre_tokenizer
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([before, cut] if before else [cut])
    return tokenizer


def special_token(tokenizer: Tokenizer, token: str) -> int:
    """Id of a special token such as `[CLS]`. Raises Fatal where the vocabulary lacks it."""
    found = tokenizer.token_to_id(token)
    if found is None:
        raise Fatal(f"tokenizer: its vocabulary has no {token} token")
    return int(found)


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of each text, without special tokens. Releases the GIL."""
    return [encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]


def _alone(tokenizer: Tokenizer) -> str:
    """A pattern for one character that must not share a word with others: symbols, and what has no piece."""
    vocabulary = tokenizer.get_vocab(with_added_tokens=False)
    prefix = tokenizer.model.continuing_subword_prefix
    spellable = sorted(token for token in vocabulary if len(token) == 1 and prefix + token in vocabulary)
    return "[^" + "".join(map(re.escape, spellable)) + r"]|[^\p{L}\p{N}\p{M}]"


def _typed_control(tokenizer: Tokenizer) -> str:
    """A pattern for the first character of every special token that is typed out."""
    special = [token.content for token in tokenizer.get_added_tokens_decoder().values() if token.special]
    return "|".join(f"{re.escape(name[0])}(?={re.escape(name[1:])})" for name in special) or "(?!)"
