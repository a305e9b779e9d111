"""Emoji as words: their Unicode names, without what only describes the glyph or how the person on it looks.

Joiners and variation selectors are gone by now (they print nothing), so that a family is its members in a row.
The names are those of the Unicode version that Python was built with; an emoji newer than that stays as it is.
"""

import re
import unicodedata
from functools import lru_cache

from worker.text.rewriting import Rule, apart

_EMOJI = (
    "\u231a\u231b\u23e9-\u23f3\u23f8-\u23fa\u2600-\u275a\u2761-\u2767\u2795-\u2797\u27a1\u27b0\u27bf\u2b05-\u2b07"
    "\u2b1b\u2b1c\u2b50\u2b55\U0001f000-\U0001f0ff\U0001f300-\U0001f3fa\U0001f400-\U0001faff"
)
_LOOKS = "\U0001f3fb-\U0001f3ff\u2640\u2642"  # skin tones, female and male sign: said of a person, not by the post
_LETTERS = "\U0001f1e6-\U0001f1ff"
_PATTERN = re.compile(f"([{_EMOJI}])[{_LOOKS}]*+(?:\\1[{_LOOKS}]*+)*+|[{_LETTERS}]++")
_ENDS = re.compile(f"[{_EMOJI}{_LOOKS}{_LETTERS}]")
# "heavy black heart" is a red one: such words describe ink, and two of them name people elsewhere.
_OF_THE_GLYPH = frozenset({"black", "white", "heavy", "medium", "negative", "squared", "emoji", "component"})


def _words(match: re.Match[str]) -> str:
    words = _name(match[1]) if match[1] else _spelt(match[0])
    if words is None:
        return match[0]
    spaced = apart(match, words)
    after_another = match.start() > 0 and _ENDS.match(match.string[match.start() - 1])
    return spaced.lstrip() if after_another else spaced  # the other's blank is between them


@lru_cache(maxsize=4096)
def _name(char: str) -> str | None:
    name = unicodedata.name(char, None)
    return name and (" ".join(word for word in name.lower().split() if word not in _OF_THE_GLYPH) or name.lower())


def _spelt(letters: str) -> str:
    """Flags are two letters each; an odd number of them spells a word."""
    latin = "".join(chr(ord(letter) - 0x1F1E6 + ord("a")) for letter in letters)
    if len(latin) % 2:
        return latin
    return " ".join(f"flag {latin[i : i + 2]}" for i in range(0, len(latin), 2))


NAMES = Rule(_PATTERN, _words, only_beyond_ascii=True)
"""Each emoji by its name in lower case, flags as `flag us`; the same emoji in a row once."""
