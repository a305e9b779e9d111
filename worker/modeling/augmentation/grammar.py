"""A template grammar: TOML files of rules, identity groups and frames, expanded to texts by a seeded draw.

    [rules]            a symbol and its alternatives, one a line or apart by " | "; they may hold {symbols}
    [groups.NAME]      dimension, plural, singular; slurs and slur where there are any: fill {group}, {person}, ...
    [frames]           KIND = [{hate = "...", clean = "..."}, ...]
    [weights]          KIND = how often it is drawn, 1 where not given

A frame holds one text or a pair of opposite twins. Its keys say how the labels stand; twins share every choice, so
that they differ only where the frame does. {symbol.2} is a choice apart from {symbol}.
"""

import random
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable

LABELS: dict[str, dict[str, int | None]] = {
    "hate": {"hate": 1, "offensive": 1},
    "abuse": {"hate": 0, "offensive": 1},
    "disputed": {"hate": 0, "offensive": None},
    "clean": {"hate": 0, "offensive": 0},
}
"""What a frame's keys say. Disputed: profanity at nobody and the like, which the data sources label differently."""

_SYMBOL = re.compile(r"\{([a-z_]+)(?:\.(\d))?\}")
_GROUP_SYMBOLS = {"group": "plural", "person": "singular", "slurs": "slurs", "slur": "slur"}


@dataclass(frozen=True, slots=True)
class Group:
    """An identity group and its names, by form: plural, singular with its article, slurs, slur."""

    name: str
    dimension: str
    forms: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Frame:
    """One text, or twins of opposite labels: (key of LABELS, template)."""

    kind: str
    sides: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Grammar:
    """Rules, groups and frames of one or more template files."""

    rules: Mapping[str, tuple[str, ...]]
    groups: tuple[Group, ...]
    frames: tuple[Frame, ...]
    weights: Mapping[str, float]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The phenomena, in the order of the files."""
        return tuple(dict.fromkeys(frame.kind for frame in self.frames))

    def groups_for(self, frame: Frame) -> list[Group]:
        """The groups that have every form which the frame asks for; none where it names no group."""
        needed = self._forms("".join(template for _, template in frame.sides), set())
        return [group for group in self.groups if needed <= group.forms.keys()] if needed else []

    def expand(self, frame: Frame, group: Group | None, draw: random.Random) -> list[str]:
        """The frame's texts, in its order, with shared choices. `group`: one of groups_for(frame)."""
        choices: dict[str, str] = {}
        return [_sentence_case(self._fill(template, group, draw, choices)) for _, template in frame.sides]

    def variants(self, template: str) -> int:
        """How many texts `template` makes, all groups counted; where choices are shared this is an upper bound."""
        total = 1
        for name, _ in dict.fromkeys(_SYMBOL.findall(template)):
            if name in _GROUP_SYMBOLS:
                total *= sum(len(group.forms.get(_GROUP_SYMBOLS[name], ())) for group in self.groups)
            else:
                total *= sum(self.variants(alternative) for alternative in self.rules[name])
        return total

    def _fill(self, template: str, group: Group | None, draw: random.Random, choices: dict[str, str]) -> str:
        def choose(match: re.Match[str]) -> str:
            symbol, name = match.group(0), match.group(1)
            if symbol not in choices:
                if name in _GROUP_SYMBOLS and group is not None:
                    choices[symbol] = draw.choice(group.forms[_GROUP_SYMBOLS[name]])
                else:
                    unused = [text for text in self.rules[name] if f"{name}={text}" not in choices]
                    chosen = draw.choice(unused or self.rules[name])
                    choices[f"{name}={chosen}"] = ""  # {adjective}, {adjective.2}: never the same twice
                    choices[symbol] = self._fill(chosen, group, draw, choices)
            return choices[symbol]

        return _SYMBOL.sub(choose, template)

    def _forms(self, template: str, seen: set[str]) -> set[str]:
        found: set[str] = set()
        for name, _ in _SYMBOL.findall(template):
            if name in _GROUP_SYMBOLS:
                found.add(_GROUP_SYMBOLS[name])
            elif name not in seen:
                seen.add(name)
                for alternative in self.rules[name]:
                    found |= self._forms(alternative, seen)
        return found


def load(files: Iterable[Traversable]) -> Grammar:
    """The grammar that the TOML files make together. Raises ValueError where a symbol or label has no meaning."""
    rules: dict[str, tuple[str, ...]] = {}
    groups: list[Group] = []
    frames: list[Frame] = []
    weights: dict[str, float] = {}
    for file in sorted(files, key=lambda file: file.name):
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        for name, alternatives in content.get("rules", {}).items():
            if name in rules or name in _GROUP_SYMBOLS:
                raise ValueError(f"{file.name}: {name} is defined twice")
            rules[name] = _alternatives(alternatives)
        for name, forms in content.get("groups", {}).items():
            dimension = forms.pop("dimension")
            groups.append(Group(name, dimension, {form: _alternatives(text) for form, text in forms.items()}))
        for kind, sides in content.get("frames", {}).items():
            frames += [Frame(kind, tuple(side.items())) for side in sides]
        weights |= content.get("weights", {})
    grammar = Grammar(rules, tuple(groups), tuple(frames), weights)
    _check(grammar)
    return grammar


def _check(grammar: Grammar) -> None:
    texts = [alternative for alternatives in grammar.rules.values() for alternative in alternatives]
    texts += [template for frame in grammar.frames for _, template in frame.sides]
    for text in texts:
        for name, _ in _SYMBOL.findall(text):
            if name not in grammar.rules and name not in _GROUP_SYMBOLS:
                raise ValueError(f"no rule for {{{name}}} in: {text}")
        if "{" in _SYMBOL.sub("", text):
            raise ValueError(f"not a symbol in: {text}")
    for frame in grammar.frames:
        if not {key for key, _ in frame.sides} <= LABELS.keys() or len(frame.sides) > 2:
            raise ValueError(f"{frame.kind}: a frame has one or two of {', '.join(LABELS)}")


def _alternatives(text: str) -> tuple[str, ...]:
    parts = (part.strip() for line in text.splitlines() for part in line.split(" | "))
    return tuple(dict.fromkeys(part for part in parts if part))


def _sentence_case(text: str) -> str:
    """Articles that fit, single spaces, and a capital after each full stop."""
    text = " ".join(text.split())
    text = re.sub(r"\b([Aa]) (?=[aeio]|u(?!s|ni|k\b)|honest|hour)(?!one\b|euro)", r"\1n ", text, flags=re.IGNORECASE)
    text = re.sub(r"\s+([.,!?;:])", r"\1", text)
    return re.sub(r"(?:^|[.!?] )[\"'“]?[a-z]", lambda match: match.group(0).upper(), text)
