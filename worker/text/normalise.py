"""Unicode normalisation before tokenising, with a map back to the author's offsets.

NFKC (Unicode Standard Annex 15) folds look-alikes such as full-width letters; characters that print nothing
(zero-width, bidirectional and other format characters, controls) are removed, because they split words for a
tokenizer but not for a reader. Line breaks and tabs stay: they separate words. What else a model was trained with
(worker.text.options) follows.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby, pairwise

from worker.text.options import AS_WRITTEN, Normalisation
from worker.text.rules import rules

# Unicode 16 categories Cc (but tab and line breaks) and Cf, variation selectors, and code points that are letters
# or marks by category but print nothing (U+034F, U+115F, U+1160, U+17B4, U+17B5, U+3164, U+FFA0). Written out,
# because collecting them at import takes 0.1 s; a test compares them with `unicodedata`.
INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2"
    "\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff"
    "\uffa0\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f\U000e0100-\U000e01ef]"
)
"""Matches one character that prints nothing and carries no meaning between words."""
INVISIBLE_RUN = re.compile(f"{INVISIBLE.pattern}+")

# Starters that are the second half of a canonical composition (NFC_Quick_Check=Maybe, Unicode 16): they may change
# what stands before them, so a segment never begins with one. Hangul vowels and finals, U+1160-11FF, do so too.
_COMPOSES_LEFT = frozenset(
    "\u09be\u09d7\u0b3e\u0b56\u0b57\u0bbe\u0bd7\u0cc2\u0cd5\u0cd6\u0d3e\u0d57\u0dcf\u0ddf\u102e\u1b35"
    "\U00011127\U0001133e\U00011357\U000113b8\U000113bb\U000113c2\U000113c9\U000114b0\U000114ba\U000114bd"
    "\U000115af\U00011930\U0001611e\U0001611f\U00016120\U00016129\U00016d67"
)

# Python puts the marks after a letter in order by insertion: 100,000 of them in the worst order take 5 s. Under 1,000
# characters that is 0.5 ms at most; in longer texts, runs that may hold many marks are put in order beforehand.
_LONG = 1_000
_MARKS_BY_DECOMPOSITION = frozenset("\u0f73\u0f75\u0f81\uff9e\uff9f")
_MAYBE_MARKS = re.compile("(?:[^\\w\\x00-\\x7f]|[\uff9e\uff9f]){64,}")


@dataclass(frozen=True, slots=True)
class Normalised:
    """A normalised text beside its original."""

    text: str
    original: str = field(repr=False)
    options: Normalisation = AS_WRITTEN

    def offsets(self) -> list[int]:
        """For each character of `text`, the index of the first character of `original` it came from.

        Computed on demand: scoring never needs it, explaining does. Length `len(text) + 1`; the last entry is
        `len(original)`, so that `[offsets[i], offsets[j])` is the original span of `text[i:j]` wherever it does not
        cut what folded as one (a letter with its marks, a ligature, a placeholder, a name): those characters share
        their first index.
        """
        origins: list[int] = []
        for start, end in _segments(self.original):
            origins.extend([start] * len(_fold(self.original[start:end])))
        origins.append(len(self.original))
        text = _fold(self.original)
        for rule in rules(self.options):
            origins = rule.origins(text, origins)
            text = rule.apply(text)
        return origins


def normalise(text: str, options: Normalisation = AS_WRITTEN) -> Normalised:
    """Fold `text` to NFKC without invisible characters, then do what `options` choose. Idempotent."""
    folded = text if text.isascii() and text.isprintable() else _fold(text)
    for rule in rules(options):
        folded = rule.apply(folded)
    return Normalised(folded, text, options)


def _fold(text: str) -> str:
    # Invisible characters go first, so that a joiner cannot keep a letter from its combining mark. NFKC yields no
    # new ones (a test asks every character), so this is idempotent.
    visible = INVISIBLE.sub("", text)
    if len(visible) > _LONG:
        visible = _MAYBE_MARKS.sub(_with_marks_in_order, visible)
    return unicodedata.normalize("NFKC", visible)


def _with_marks_in_order(run: re.Match[str]) -> str:
    """The canonical ordering of UAX 15 for one run, in n log n. What it returns has the same NFKC as the run."""
    groups = groupby(run.group(), key=_is_mark)
    return "".join(_in_order(group) if marks else "".join(group) for marks, group in groups)


def _in_order(marks: Iterable[str]) -> str:
    decomposed = "".join(unicodedata.normalize("NFKD", mark) for mark in marks)
    return "".join(sorted(decomposed, key=unicodedata.combining))


def _is_mark(char: str) -> bool:
    return unicodedata.combining(char) > 0 or char in _MARKS_BY_DECOMPOSITION


def _segments(text: str) -> list[tuple[int, int]]:
    """Cut where NFKC cannot look across: before each visible character that composes with nothing to its left."""
    cuts = [i for i, char in enumerate(text) if not INVISIBLE.match(char) and _starts_segment(char)]
    first = INVISIBLE_RUN.match(text)  # what stands before the first visible character folds to nothing
    start = first.end() if first else 0
    return list(pairwise(sorted({start, *cuts, len(text)})))


def _starts_segment(char: str) -> bool:
    first = unicodedata.normalize("NFKD", char)[0]
    composes_left = "\u1160" <= first <= "\u11ff" or first in _COMPOSES_LEFT
    return not (unicodedata.combining(first) or composes_left)
