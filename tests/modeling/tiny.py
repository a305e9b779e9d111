"""Small made-up material for tests of the modeling tools."""

import json
import random
import string
from pathlib import Path

LABELS = ("hate", "offensive")
MAX_LENGTH = 32
_CHARACTERS = string.ascii_lowercase + string.digits + string.punctuation
VOCABULARY = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    *_CHARACTERS,
    *("##" + char for char in _CHARACTERS),
    *("good", "bad", "the", "##ing"),
]
_WORDS = ("good", "bad", "the", "sun", "rain", "going", "home", "x9", "well")


def write_posts(path: Path, draw: random.Random, count: int, same: dict[str, int] | None = None) -> None:
    """Posts whose labels depend on their words, one label unknown now and then; or all with the `same` labels."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            words = draw.choices(_WORDS, k=draw.randrange(1, 30))
            labels = {"hate": int(words.count("bad") > 1), "offensive": draw.choice([None, int("bad" in words)])}
            file.write(json.dumps({"id": str(number), "text": " ".join(words), "labels": same or labels}) + "\n")
