"""How people type: case, missing full stops, hashtags, slips. Meaning and labels stay as they are."""

import random
import re
from collections.abc import Sequence

REGISTERS = {"plain": 9, "lower": 5, "bare": 3, "slips": 2, "tagged": 2, "shout": 1}
"""Register: how often. Twins share theirs, so that it never tells them apart."""

_TAGS = ("#monday", "#london", "#smalltown", "#fyp", "#politics", "#local", "#throwback", "#nowplaying", "#thread")
_SHORT = {
    "you": "u",
    "your": "ur",
    "are": "r",
    "because": "cuz",
    "people": "ppl",
    "going to": "gonna",
    "want to": "wanna",
    "to be honest": "tbh",
    "please": "pls",
    "before": "b4",
}


def pick_register(draw: random.Random) -> str:
    """One of REGISTERS."""
    return draw.choices(list(REGISTERS), list(REGISTERS.values()))[0]


def typed(texts: Sequence[str], draw: random.Random) -> list[str]:
    """Twins in one of REGISTERS."""
    register = pick_register(draw)
    return [render(text, register, draw) for text in texts]


def render(text: str, register: str, draw: random.Random) -> str:
    """`text` as typed in that register."""
    match register:
        case "lower":
            return text.lower()
        case "bare":
            return re.sub(r"[.,!:]+(?=\s|$)", "", text.replace("'", "")).lower()
        case "slips":
            return _slips(text, draw)
        case "tagged":
            return f"{text} {' '.join(draw.sample(_TAGS, draw.randint(1, 2)))}"
        case "shout":
            return text.upper()
        case _:
            return text


def _slips(text: str, draw: random.Random) -> str:
    for word, short in _SHORT.items():
        if draw.random() < 0.5:
            text = re.sub(rf"\b{word}\b", short, text)
    words = text.split(" ")
    for position in draw.sample(range(len(words)), max(1, len(words) // 8)):
        words[position] = slip(words[position], draw)
    return " ".join(words)


def slip(word: str, draw: random.Random) -> str:
    """One letter left out, doubled or changed places with its neighbour, never the first."""
    if len(word) < 4 or not word.isalpha():
        return word
    at = draw.randrange(1, len(word) - 1)
    match draw.randrange(3):
        case 0:
            return word[:at] + word[at + 1 :]
        case 1:
            return word[:at] + word[at] + word[at:]
        case _:
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
