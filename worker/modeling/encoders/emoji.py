"""Rows of an encoder's vocabulary for emoji, in place of those that BERT keeps spare.

A WordPiece vocabulary spells words, so that nearly every emoji is the same unknown token. BERT's vocabularies hold
rows named `[unused0]` and so on that no text reaches; renamed to an emoji, such a row is that emoji's embedding. It
starts as the mean of the pieces of the emoji's name, so that an emoji means something before the first step. The
hardened tokenizer of the worker already sets every symbol apart, so that serving needs nothing else: an emoji is one
code point, since selectors and joiners are gone by then. Skin tones and the signs for female and male, which are said
of a person rather than by the post, stay the unknown token that they were, as they stay out of the names.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import ElectraModel

from worker.core.errors import Fatal
from worker.model.tokenizer import encode, special_token
from worker.modeling.posts.texts import read_texts
from worker.text.emoji import NAMES
from worker.text.normalise import normalise

_LOOKS = frozenset("\u2640\u2642")  # skin tones are no emoji by themselves in NAMES; these two are
_SPARE = re.compile(r"\[unused\d+\]")


def give_rows(
    model: ElectraModel, tokenizer: Tokenizer, hardened: Tokenizer, count: int, texts: Sequence[Path]
) -> tuple[Tokenizer, tuple[str, ...]]:
    """Give the `count` commonest emoji of `texts` that have no piece yet a spare row each, set in `model` in place.

    `hardened` is `tokenizer` as the worker loads it. Returns the tokenizer with the rows renamed, and the emoji, the
    commonest first: fewer than `count` where the texts hold fewer. Raises Fatal where the vocabulary has fewer spare
    rows than `count`, or the texts no such emoji.
    """
    content = json.loads(tokenizer.to_str())
    spare = _spare(content)
    if not 1 <= count <= len(spare):
        want = f"want 1 to {len(spare)}" if spare else "it can take no emoji"
        raise Fatal(f"warm-start: --emoji-rows {count}: the vocabulary has {len(spare)} spare rows [unusedN]: {want}")
    unknown = special_token(hardened, content["model"]["unk_token"])
    pieces: dict[str, list[int]] = {}
    for emoji in _commonest(read_texts(texts)):
        ids, name = encode(hardened, [emoji, NAMES.apply(emoji)])
        # One newer than Python's Unicode has no name to start from; one that the tokenizer drops would never be read.
        if ids == [unknown] and unknown not in name:
            pieces[emoji] = name
        if len(pieces) == count:
            break
    if not pieces:
        raise Fatal("warm-start: --emoji-rows: the files given to --texts hold no emoji that the vocabulary lacks")
    vocabulary, table = content["model"]["vocab"], model.embeddings.word_embeddings.weight
    with torch.no_grad():
        for row, (emoji, name) in zip(spare, pieces.items(), strict=False):
            vocabulary[emoji] = vocabulary.pop(row)
            table[vocabulary[emoji]] = table[name].mean(0)
    return Tokenizer.from_str(json.dumps(content)), tuple(pieces)


def _spare(tokenizer: dict[str, Any]) -> list[str]:
    """Names of the spare rows in the order of their ids; none where the vocabulary is not WordPiece's."""
    vocabulary = tokenizer["model"]["vocab"]
    if tokenizer["model"]["type"] != "WordPiece":
        return []
    added = {token["content"] for token in tokenizer["added_tokens"]}
    return sorted(
        (name for name in vocabulary if _SPARE.fullmatch(name) and name not in added), key=vocabulary.__getitem__
    )


def _commonest(texts: Iterable[str]) -> list[str]:
    """Emoji as single code points, the commonest first; one repeated in a row counts once."""
    found: Counter[str] = Counter()
    for text in texts:
        if not text.isascii():
            found.update(match[1] for match in NAMES.pattern.finditer(normalise(text).text) if match[1])
    return sorted(found.keys() - _LOOKS, key=lambda emoji: (-found[emoji], emoji))
