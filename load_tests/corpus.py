"""Traffic: realistic posts, with a slice of hostile records among them."""

import io
import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

import orjson
import zstandard

from load_tests.hostile import KINDS, PREFIX
from load_tests.made_up import made_up_texts

SHARED = Path(__file__).parents[2] / "shared" / "data"
"""The real texts, where this checkout has them beside it; they are not part of it."""

Keyed: TypeAlias = tuple[bytes | None, bytes | None]
HOSTILE_EVERY = 100
_HATEXPLAIN_EVERY = 10
_KEYLESS_EVERY = 50
_REVISED_EVERY = 7


class Post(NamedTuple):
    """A post as its author sent it."""

    id: str
    text: str

    def value(self) -> bytes:
        """The post as post.v1 bytes."""
        return orjson.dumps({"id": self.id, "text": self.text, "language": "en"})


def is_real(shared: Path = SHARED) -> bool:
    """Whether `posts` draws on real texts."""
    return any((shared / "reddit").glob("*.zst"))


def posts(seed: int = 0, shared: Path = SHARED) -> Iterator[Post]:
    """Posts without end, each with an id of its own: lines of Reddit and every tenth from HateXplain; else made up."""
    texts = _real_texts(shared) if is_real(shared) else made_up_texts(seed)
    return (Post(f"post-{number}", text) for number, text in enumerate(texts))


def traffic(count: int, seed: int = 0, shared: Path = SHARED, longest: int | None = None) -> Iterator[Keyed]:
    """`count` records to produce, about one in a hundred hostile, and every hostile kind once where count allows.

    Ordinary texts are cut at `longest` characters. Most have their post's id as key, some have none (they go to any partition).
    """
    ordinary = posts(seed, shared)
    hostile = _hostile()
    every = max(2, min(HOSTILE_EVERY, count // (len(KINDS) + 1)))
    for number in range(count):
        if number % every == every - 1:
            yield next(hostile)
        else:
            post = next(ordinary)
            yield _record(Post(post.id, post.text[:longest]), number)


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


def _real_texts(shared: Path) -> Iterator[str]:
    hateful = _hatexplain(shared)
    while True:
        for number, line in enumerate(_reddit(shared)):
            if number % _HATEXPLAIN_EVERY == _HATEXPLAIN_EVERY - 1:
                yield from itertools.islice(hateful, 1)
            yield line


def _reddit(shared: Path) -> Iterator[str]:
    for path in sorted((shared / "reddit").glob("*.zst")):
        with path.open("rb") as file:
            lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), encoding="utf-8", newline="\n")
            for line in lines:
                if text := line.strip():
                    yield text


def _hatexplain(shared: Path) -> Iterator[str]:
    path = shared / "hatexplain.dev.jsonl"
    if path.exists():
        texts = [str(orjson.loads(line)["text"]) for line in path.read_bytes().splitlines() if line]
        yield from itertools.cycle(texts)
