"""Rules that rewrite parts of a text, and the map from what they leave to where it stood."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile


@dataclass(frozen=True, slots=True)
class Rule:
    """`replace` gives the new text of each match of `pattern`. Patterns run in linear time, whatever the text.

    Every match holds one of `hints`, if there are any: most texts hold none, and looking for them is faster.
    `only_beyond_ascii` says that an ASCII text has no match; `letter_for_letter` that no length changes.
    """

    pattern: re.Pattern[str]
    replace: Callable[[re.Match[str]], str]
    hints: tuple[str, ...] = ()
    only_beyond_ascii: bool = False
    letter_for_letter: bool = False

    def apply(self, text: str) -> str:
        """`text` with every match replaced."""
        if self.only_beyond_ascii and text.isascii():
            return text
        if self.hints and not any(hint in text for hint in self.hints):
            return text
        return self.pattern.sub(self.replace, text)

    def origins(self, text: str, before: Sequence[int]) -> list[int]:
        """For each character of `apply(text)`, and for its end, the origin of the characters it stands for.

        `before` holds the same for `text`. What a match and its replacement begin with in common keeps its origins;
        the rest of the replacement shares the origin of what it replaced, but the blanks that set it apart from what
        follows belong to that.
        """
        after: list[int] = []
        done = 0
        for match in self.pattern.finditer(text):
            start, end = match.span()
            after += before[done:start]
            after += before[start:end] if self.letter_for_letter else _shared(match, self.replace(match), before)
            done = end
        return [*after, *before[done:]]


def _shared(match: re.Match[str], new: str, before: Sequence[int]) -> list[int]:
    start, end = match.span()
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(match.group(), new, strict=False)))
    word = len(new.rstrip()) or len(new)
    return [
        *before[start : start + same],
        *[before[min(start + same, end)]] * (word - same),
        *[before[end]] * (len(new) - max(word, same)),
    ]


def apart(match: re.Match[str], word: str, before: str = "", after: str = "") -> str:
    """`word` with blanks to what stands beside the match: it must join no word or mark.

    No blank stands after a character of `before`, nor before one of `after`.
    """
    text, (start, end) = match.string, match.span()
    left = "" if start == 0 or text[start - 1].isspace() or text[start - 1] in before else " "
    right = "" if end == len(text) or text[end].isspace() or text[end] in after else " "
    return f"{left}{word}{right}"
