"""Posts out of a grammar: a seeded draw over phenomena, frames, groups and registers, with no post twice."""

import hashlib
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from worker.core.errors import Fatal
from worker.modeling.augmentation.grammar import LABELS, Frame, Grammar, Group, load
from worker.modeling.augmentation.surface import typed as usually_typed

Typed = Callable[[Sequence[str], random.Random], list[str]]
"""Turns plain texts (twins together) into texts as people type them."""
MAX_TRIES = 200
"""Draws in a row that bring nothing new before a grammar counts as used up."""


@dataclass(frozen=True, slots=True)
class Post:
    """A labelled post. `pair`: the id of its opposite twin; `group`: the identity group it names."""

    id: str
    text: str
    labels: Mapping[str, int | None]
    kind: str
    pair: str | None
    group: str | None

    def as_row(self) -> dict[str, Any]:
        """The training format; `targets` as in the published data sets."""
        row: dict[str, Any] = {"id": self.id, "text": self.text, "labels": dict(self.labels), "kind": self.kind}
        if self.pair:
            row["pair"] = self.pair
        if self.group:
            row["targets"] = [self.group]
        return row


def augmentation_grammar() -> Grammar:
    """The templates that make training posts."""
    return load(_templates("templates"))


def contrasts_grammar() -> Grammar:
    """More frames, with the groups and rules of the first templates and others: a set of its own."""
    first = {*augmentation_grammar().frames}
    both = load([*_templates("templates"), *_templates("contrasts")])
    return replace(both, frames=tuple(frame for frame in both.frames if frame not in first))


def _templates(name: str) -> list[Traversable]:
    folder = files("worker.modeling.augmentation") / name
    return [file for file in folder.iterdir() if file.name.endswith(".toml")]


def make_posts(
    grammar: Grammar, count: int, seed: int, prefix: str, *, per_group: bool = False, typed: Typed = usually_typed
) -> list[Post]:
    """`count` posts (or one more: twins stay together), twins side by side; the same for the same arguments.

    Ids are `prefix`-kind-hash of the text: a post keeps its id whatever the seed. No two posts other than twins are
    equal but for case, punctuation and (unless `per_group`) the group they name. Raises Fatal where the grammar cannot make so many.
    """
    draw = random.Random(f"{prefix}/{seed}")
    posts: list[Post] = []
    seen: set[str] = set()
    for kind in _kinds(grammar, draw):
        if len(posts) >= count:
            break
        frame, plain, group = _draw_new(grammar, kind, draw, seen, per_group)
        posts += _posts(frame, typed(plain, draw), group, prefix)
    return posts


def _kinds(grammar: Grammar, draw: random.Random) -> Iterator[str]:
    weights = [grammar.weights.get(kind, 1.0) for kind in grammar.kinds]
    while True:
        yield draw.choices(grammar.kinds, weights)[0]


def _draw_new(
    grammar: Grammar, kind: str, draw: random.Random, seen: set[str], per_group: bool
) -> tuple[Frame, list[str], Group | None]:
    frames = [frame for frame in grammar.frames if frame.kind == kind]
    for _ in range(MAX_TRIES):
        frame = draw.choice(frames)
        groups = grammar.groups_for(frame)
        group = draw.choice(groups) if groups else None
        plain = grammar.expand(frame, group, draw)
        keys = {_key(text, None if per_group else group) for text in plain}
        if len(keys) == len(plain) and not keys & seen:
            seen |= keys
            return frame, plain, group
    raise Fatal(f"the templates of {kind} make no more new posts: ask for fewer with --posts")


def _posts(frame: Frame, texts: list[str], group: Group | None, prefix: str) -> list[Post]:
    ids = [f"{prefix}-{frame.kind}-{hashlib.sha256(text.encode()).hexdigest()[:12]}" for text in texts]
    twins = [*ids[::-1]] if len(ids) == 2 else [None]
    return [
        Post(name, text, LABELS[key], frame.kind, twin, group.name if group else None)
        for name, text, (key, _), twin in zip(ids, texts, frame.sides, twins, strict=True)
    ]


def _key(text: str, group: Group | None) -> str:
    """What makes a text new: its words, whatever the group in it is called."""
    for form in (form for forms in group.forms.values() for form in forms) if group else ():
        text = re.sub(re.escape(form), "@", text, flags=re.IGNORECASE)
    return " ".join(re.findall(r"[\w@#]+", text.casefold()))
