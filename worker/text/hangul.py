"""Hangul taken apart or drawn with other characters, put together again.

Texts are in NFKC by now: single letters typed one after the other (compatibility jamo) have become syllables where a
vowel follows a consonant, and a consonant that should close the syllable before it stands alone as an initial one.
Ones of laughter and tears stand alone, too, and must go on doing so.
"""

import re

from worker.text.rewriting import Rule

_FIRST_SYLLABLE = 0xAC00
_FIRST_INITIAL = 0x1100
_VOWELS = 21
_FINALS = 28
_SYLLABLES = 11_172

_OPEN = "".join(map(chr, range(_FIRST_SYLLABLE, _FIRST_SYLLABLE + _SYLLABLES, _FINALS)))
"""Syllables without a final consonant."""
_FINAL_OF = {"\u1100": 1, "\u1102": 4, "\u1105": 8, "\u1106": 16}
"""The number of the final that an initial G, N, R or M looks like. Others that stand alone (B, S, J, CH in the comments
looked at) abbreviate a syllable of their own, or are laughter."""
_VOWEL_OF = {"r": 0, "H": 1, "T": 13, "l": 20, "I": 20, "1": 20}
"""Latin characters and digits drawn for a vowel, by its number: U+1161 (a), U+1162 (ae), U+116E (u), U+1175 (i)."""
_JAMO = "\u1100-\u11ff"


def _closed(match: re.Match[str]) -> str:
    return chr(ord(match[1]) + _FINAL_OF[match[2]])


def _drawn(match: re.Match[str]) -> str:
    syllable = (ord(match[1]) - _FIRST_INITIAL) * _VOWELS + _VOWEL_OF[match[2]]
    return chr(_FIRST_SYLLABLE + syllable * _FINALS)


DRAWN = Rule(
    re.compile(f"(?<![{_JAMO}])([\u1100-\u1112])([{''.join(_VOWEL_OF)}])(?![A-Za-z0-9\u1160-\u11ff])"),
    _drawn,
    only_beyond_ascii=True,
)
"""A consonant with a Latin letter for its vowel is the syllable that both draw."""
FINAL = Rule(
    re.compile(f"([{_OPEN}])([{''.join(_FINAL_OF)}])(?![{_JAMO}])"),
    _closed,
    only_beyond_ascii=True,
)
"""A single consonant after an open syllable closes it."""
RUNS = Rule(re.compile(f"([{_JAMO}])\\1\\1++"), lambda match: match[1] * 2, only_beyond_ascii=True)
"""Three or more of the same letter that belongs to no syllable, such as laughter, are two."""

FOLD = (DRAWN, FINAL, RUNS)
"""In this order: a drawn syllable may be open."""
