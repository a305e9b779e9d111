"""Traffic: realistic posts, with a slice of hostile records among them."""

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

import orjson
import zstandard

from load_tests.hostile import KINDS, PREFIX
from load_tests.made_up import made_up_texts

Keyed: TypeAlias = tuple[bytes | None, bytes | None]
HOSTILE_EVERY = 100
_KEYLESS_EVERY = 50
_REVISED_EVERY = 7


class Post(NamedTuple):
    """A post as its author sent it."""

    id: str
    text: str

    def value(self) -> bytes:
        """The post as post.v1 bytes."""
        return orjson.dumps({"id": self.id, "text": self.text, "language": "en"})


def posts(seed: int = 0, folder: Path | None = None, longest: int | None = None) -> Iterator[Post]:
    """Posts without end, each with an id of its own: the lines of `folder` over and over, else made-up texts.

    Texts are cut at `longest` characters.
    """
    texts = itertools.chain.from_iterable(_lines(folder) for _ in itertools.count()) if folder else made_up_texts(seed)
    return (Post(f"post-{number}", text[:longest]) for number, text in enumerate(texts))


def traffic(count: int, seed: int = 0, folder: Path | None = None, longest: int | None = None) -> Iterator[Keyed]:
    """`count` records to produce, about one in a hundred hostile, and every hostile kind once where count allows.

    Ordinary posts are those of `posts`. Most have their post's id as key, some have none (they go to any partition).
    """
    ordinary = posts(seed, folder, longest)
    hostile = _hostile()
    every = max(2, min(HOSTILE_EVERY, count // (len(KINDS) + 1)))
    for number in range(count):
        yield next(hostile) if number % every == every - 1 else _record(next(ordinary), number)


def _record(post: Post, number: int) -> Keyed:
    fields: dict[str, object] = {"id": post.id, "text": post.text, "language": "en"}
    if number % _REVISED_EVERY == 0:
        fields["revision"] = number % 5
    key = None if number % _KEYLESS_EVERY == 0 else post.id.encode()
    return key, orjson.dumps(fields)


def _hostile() -> Iterator[Keyed]:
    made: Counter[str] = Counter()
    for kind in itertools.cycle(KINDS):
        hostile = KINDS[kind]
        if made[kind] >= hostile.at_most:
            continue
        name = f"{PREFIX}{kind}-{made[kind]}"
        made[kind] += 1
        yield (name.encode() if hostile.keyed else None), hostile.value(name)


def _lines(folder: Path) -> Iterator[str]:
    """The lines of every .txt and .txt.zst of a folder that are not empty. Raises FileNotFoundError without any."""
    paths = sorted({*folder.glob("*.txt"), *folder.glob("*.txt.zst")})
    empty = True
    for path in paths:
        opened = zstandard.open if path.suffix == ".zst" else open
        with opened(path, "rt", encoding="utf-8", newline="\n") as lines:
            for line in lines:
                if text := line.strip():
                    empty = False
                    yield text
    if empty:
        raise FileNotFoundError(f"{folder} holds no .txt or .txt.zst with a line of text")
