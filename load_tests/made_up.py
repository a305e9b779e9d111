"""A made-up corpus for machines without the real one: seeded, harmless, with the lengths of real posts."""

import math
import random
from collections.abc import Iterator

_COMMON = (  # noqa: SIM905 - prose reads better than a page of quotes
    "the of and to a in is it you that was for on are with as they be at one have this from or had by but some what "
    "there we can out other were all your when up use how said each she which do their time if will way about many "
    "then them would like so these her long make thing see him two has look more day could go come did my sound no "
    "most number who over know water than call first people may down been now find any new work part take get place "
    "made live where after back little only round man year came show every good me give our under"
).split()
_RARE = (
    ("gr", "b", "st", "m", "tr", "l", "sh", "k", "pl", "v"),
    ("a", "e", "i", "o", "u", "ou"),
    ("n", "r", "st", "x", ""),
)
_MARKS = (".", ".", ".", "!", "?", "...", ",", " 🙂.")

# 1.27 M Reddit posts: quartiles 44, 73 and 270 characters, 95th percentile 1,800, longest 3,300. Two log-normals,
# titles and bodies, come close.
_TITLE = math.log(55), 0.6
_BODY = math.log(700), 1.0
_SHARE_OF_BODIES = 0.28
_LONGEST = 3_300


def made_up_texts(seed: int = 0) -> Iterator[str]:
    """Texts without end; the same for the same seed."""
    random_ = random.Random(seed)
    while True:
        centre, spread = _BODY if random_.random() < _SHARE_OF_BODIES else _TITLE
        yield _text(random_, max(8, min(_LONGEST, int(random_.lognormvariate(centre, spread)))))


# Rare words are few: real posts have about 3.4 characters for each token of the bundled models.
def _text(random_: random.Random, length: int) -> str:
    words: list[str] = []
    size = 0
    while size < length:
        word = random_.choice(_COMMON) if random_.random() < 0.93 else _rare_word(random_)
        if random_.random() < 0.08:
            word += random_.choice(_MARKS)
        words.append(word)
        size += len(word) + 1
    return " ".join(words).capitalize()


def _rare_word(random_: random.Random) -> str:
    return "".join("".join(map(random_.choice, _RARE)) for _ in range(random_.randint(1, 4)))
