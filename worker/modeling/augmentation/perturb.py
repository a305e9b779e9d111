"""Copies of posts with words left out and exchanged: posts that a teacher never saw, of the style of those it knows.

A teacher repeats the labels of the very posts it learnt from; of a perturbed copy it says what it believes (data
augmentation for distillation, Tang et al. 2019, arXiv 1903.12136). The copies bear no label: a word less may turn it.
"""

import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from worker.core.errors import Fatal
from worker.modeling.posts.examples import Example, read_unlabelled
from worker.modeling.posts.labelled import check_names
from worker.modeling.writing import write_text

LEFT_OUT = 0.1
EXCHANGED = 0.1
CUT = 0.25
"""Share of the words left out, and (unless told) of those exchanged for another word of the file; of posts cut to a part."""
_FEWEST = 4
"""Words from which on a post is perturbed at all."""


def perturb(files: Sequence[Path], copies: int, seed: int, out: Path, exchanged: float = EXCHANGED) -> int:
    """Write `copies` of every post of `files` that has at least four words; return how many there are.

    What a copy looks like depends on the seed, the file, the post and the share `exchanged` alone. Raises Fatal where a
    file cannot be read.
    """
    if copies < 1:
        raise Fatal("--copies: 1 or more")
    if not 0 <= exchanged <= 1 - LEFT_OUT:
        raise Fatal(f"--exchanged {exchanged}: from 0 to {1 - LEFT_OUT}: a share of {LEFT_OUT} is left out besides")
    check_names(files, "--posts")
    rows = [row for path in files for row in _copies(read_unlabelled(path, 1), copies, seed, exchanged)]
    if not rows:
        raise Fatal(f"--posts: no post of at least {_FEWEST} words in {', '.join(map(str, files))}")
    write_text(out, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return len(rows)


def _copies(posts: Sequence[Example], copies: int, seed: int, exchanged: float) -> Iterator[dict[str, object]]:
    kind = "" if exchanged == EXCHANGED else f"{exchanged}-"  # ids tell copies of both kinds apart, and their draws do
    every = [word for post in posts for word in _words(post.text)]
    for post in posts:
        words = _words(post.text)
        if len(words) < _FEWEST:
            continue
        for copy in range(copies):
            draw = random.Random(f"perturb/{seed}/{post.source}/{post.id}/{kind}{copy}")
            text = " ".join(_perturbed(words, every, draw, exchanged))
            yield {"id": f"{post.id}-copy-{kind}{copy}", "text": text, "labels": {}, "source": post.source}


def _perturbed(words: Sequence[str], every: Sequence[str], draw: random.Random, exchanged: float) -> list[str]:
    if draw.random() < CUT:
        length = draw.randint(max(2, len(words) // 2), len(words) - 1)
        start = draw.randint(0, len(words) - length)
        words = words[start : start + length]
    found = []
    for word in words:
        chance = draw.random()
        if chance < exchanged:
            found.append(draw.choice(every))
        elif chance < 1 - LEFT_OUT:
            found.append(word)
    return found or [*words[:1]]


def _words(text: str) -> list[str]:
    return re.findall(r"\S+", text)
