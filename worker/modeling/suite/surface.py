"""How people type, other ways than the augmentation's: only a text as it stands is common to both."""

import random
import re
from collections.abc import Sequence

REGISTERS = {"plain": 9, "trailing": 4, "titled": 3, "tagged": 2, "faced": 2}
"""Register: how often."""
TAGS = ("#openthread", "#longread", "#unfiltered", "#rainyday", "#fromthebus", "#lateshift", "#commentsection")
FACES = (":-)", ":-/", "xD", "o_O", "\U0001f643", "\U0001f440")


def typed(texts: Sequence[str], draw: random.Random) -> list[str]:
    """Twins in one of REGISTERS, with the same hashtags or face: nothing of it tells them apart."""
    register = draw.choices(list(REGISTERS), list(REGISTERS.values()))[0]
    ending = " ".join(draw.sample(TAGS, draw.randint(1, 2))) if register == "tagged" else draw.choice(FACES)
    return [_render(text, register, ending) for text in texts]


def _render(text: str, register: str, ending: str) -> str:
    match register:
        case "trailing":
            return re.sub(r"[.,;:!]+(?=\s|$)", "...", text)
        case "titled":
            return " ".join(word[:1].upper() + word[1:] for word in text.split(" "))
        case "tagged" | "faced":
            return f"{text} {ending}"
        case _:
            return text
