"""An explanation for people: the text with its words coloured, or marked in brackets where there is no colour."""

import re
from collections.abc import Sequence

from worker.explain.method import Explanation, WordWeight
from worker.text.normalise import INVISIBLE

SCALE = 1.0
"""Log-odds of the strongest colour where no word has more: in a text where no word matters, none shall glow."""
FAINTEST = 0.15
"""Share of the strongest word's weight under which a word stays plain."""
MARKED = 0.4
"""The same where words are marked by brackets, of which a few say more than many."""

# Backgrounds of the 256-colour palette, faint to strong, all light enough for black letters.
_FOR = (224, 217, 210, 203)
_AGAINST = (195, 153, 117, 75)
_PRINTS_NOTHING = re.compile(f"{INVISIBLE.pattern}|[\t\n\r\u2028\u2029]")


def strengths(words: Sequence[WordWeight]) -> list[float]:
    """Weights over the largest of them (or SCALE): -1 to 1, what a colour's strength goes by."""
    largest = max((abs(word.weight) for word in words), default=0.0)
    return [word.weight / max(largest, SCALE) for word in words]


def render(text: str, explanation: Explanation, *, colour: bool) -> str:
    """One line: label, score and the window that has it; `…` stands for the rest of a long text.

    Characters that print nothing, escape sequences among them, become `�`: a post must not steer a terminal.
    """
    words = explanation.words
    parts = [f"{explanation.label} {explanation.score:.2f}  "]
    position = words[0].start if words else 0
    parts.append("… " if text[:position].strip() else "")
    for word, strength in zip(words, strengths(words), strict=True):
        parts.append(safe(text[position : word.start]))
        shown = safe(text[word.start : word.end])
        parts.append(_coloured(shown, strength) if colour else _marked(shown, strength, word.weight))
        position = word.end
    parts.append(" …" if text[position:].strip() else "")
    return "".join(parts)


def _coloured(shown: str, strength: float) -> str:
    if abs(strength) < FAINTEST:
        return shown
    shades = _FOR if strength > 0 else _AGAINST
    shade = shades[min(int(abs(strength) * len(shades)), len(shades) - 1)]
    return f"\x1b[30;48;5;{shade}m{shown}\x1b[0m"


def _marked(shown: str, strength: float, weight: float) -> str:
    return shown if abs(strength) < MARKED else f"[{shown} {weight:+.1f}]"


def safe(text: str) -> str:
    """`text` on one line, without characters that print nothing: none can steer a terminal."""
    return _PRINTS_NOTHING.sub(lambda found: " " if found[0].isspace() else "\ufffd", text)
