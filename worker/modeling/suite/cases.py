"""The suite's cases: made once and for all from its own templates and groups."""

import random
from importlib.resources import files

from worker.modeling.augmentation.grammar import Grammar, Group, load
from worker.modeling.augmentation.posts import Post, make_posts
from worker.modeling.suite.surface import typed

CASES = 800
PROBES = 30
SEED = 20_260_102
"""Fixed: two bundles are compared on the same cases. Another one with whatever changes them: results name it."""
NEUTRAL = ("identity_neutral", "identity_warm")
PROBE = "identity_probe"


def suite_grammar() -> Grammar:
    """The templates of the suite; none of their groups, frames and fillers is in the augmentation."""
    folder = files("worker.modeling.suite") / "templates"
    return load(file for file in folder.iterdir() if file.name.endswith(".toml"))


def suite_cases() -> list[Post]:
    """The cases, in a fixed order: those of every phenomenon, then the probes."""
    grammar = suite_grammar()
    return make_posts(grammar, CASES, SEED, "suite", per_group=True, typed=typed) + probes(grammar)


def probes(grammar: Grammar) -> list[Post]:
    """The same harmless sentences with every group in turn, so that only the group can make a difference."""
    frames = [frame for frame in grammar.frames if frame.kind in NEUTRAL and grammar.groups_for(frame)]
    found: dict[str, list[Post]] = {}
    for number in range(1_000):
        seed = f"{PROBE}/{SEED}/{number}"
        frame = random.Random(seed).choice(frames)
        # One name each: choices of equal length take equally much of the seed, whatever the group.
        plain = [
            Group(g.name, g.dimension, {form: names[:1] for form, names in g.forms.items()}) for g in grammar.groups
        ]
        texts = {group.name: grammar.expand(frame, group, random.Random(seed))[0] for group in plain}
        first = next(iter(texts.values()))
        if first not in found:
            found[first] = [
                Post(f"suite-{PROBE}-{len(found)}-{name}", text, {"hate": 0, "offensive": 0}, PROBE, None, name)
                for name, text in texts.items()
            ]
        if len(found) == PROBES:
            break
    return [post for posts in found.values() for post in posts]
