"""What kinds of traffic there are: which posts, and how they come."""

import itertools
import random
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from load_tests.corpus import Keyed, Post, posts, traffic

HOT_SHARE = 0.9
STORM_SHARE, STORM_TEXTS = 0.9, 10
LONG_CHARACTERS = 5_000, 20_000
Posts = Literal["ordinary", "one key", "long", "duplicates", "hostile"]


@dataclass(frozen=True, slots=True)
class Profile:
    """`shape` multiplies the rate in equal parts of the time. `preloaded`: all is there before the worker starts."""

    summary: str
    posts: Posts = "ordinary"
    shape: tuple[float, ...] = (1.0,)
    preloaded: bool = False


PROFILES: Mapping[str, Profile] = {
    "steady": Profile("independent authors at one rate"),
    "burst": Profile("ten times the rate in the fourth tenth of the time", shape=(1, 1, 1, 10, 1, 1, 1, 1, 1, 1)),
    "backlog": Profile("everything is there before the worker starts", preloaded=True),
    "hot": Profile(f"{HOT_SHARE:.0%} of posts have one key, so one partition", "one key"),
    "long": Profile(f"posts of {LONG_CHARACTERS[0]:,} to {LONG_CHARACTERS[1]:,} characters", "long"),
    "duplicates": Profile(f"{STORM_SHARE:.0%} of posts have one of {STORM_TEXTS} texts", "duplicates"),
    "hostile": Profile("1 % of records try to stop the stream or to slip past it", "hostile"),
}


def records(kind: Posts, seed: int = 0, folder: Path | None = None, longest: int | None = None) -> Iterator[Keyed]:
    """Records without end; the same for the same seed. `folder`, `longest`: see `corpus.posts`."""
    if kind == "hostile":
        return traffic(sys.maxsize, seed, folder, longest)
    if kind == "long":
        return map(_record, _long(posts(seed, folder), random.Random(seed)))
    ordinary = posts(seed, folder, longest)
    if kind == "duplicates":
        return map(_record, _storm(ordinary, random.Random(seed)))
    if kind == "one key":
        draw = random.Random(seed)
        return ((b"hot" if draw.random() < HOT_SHARE else post.id.encode(), post.value()) for post in ordinary)
    return map(_record, ordinary)


def _record(post: Post) -> Keyed:
    return post.id.encode(), post.value()


def _storm(ordinary: Iterator[Post], draw: random.Random) -> Iterator[Post]:
    copied = [post.text for post in itertools.islice(ordinary, STORM_TEXTS)]
    for post in ordinary:
        yield Post(post.id, draw.choice(copied)) if draw.random() < STORM_SHARE else post


def _long(ordinary: Iterator[Post], draw: random.Random) -> Iterator[Post]:
    for post in ordinary:
        length, parts = draw.randint(*LONG_CHARACTERS), [post.text]
        while sum(map(len, parts)) < length:
            parts.append(next(ordinary).text)
        yield Post(post.id, " ".join(parts)[:length])
