"""Just enough PromQL to take expressions apart: which series they select, and what is left without their thresholds."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<matchers>\{[^{}]*\})
      | (?P<range>\[[^\]]*\])
      | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
      | (?P<number>[0-9][0-9a-zA-Z.]*)
      | (?P<comparison>==|!=|>=|<=|>|<)
      | (?P<other>\S)
      | (?P<space>\s+)""",
    re.VERBOSE,
)
_GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}
_WORDS = {"and", "or", "unless", "offset", "bool", "inf", "nan", *_GROUPING}
_DURATION = re.compile(r"(\d+)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str


def tokens(expression: str) -> list[Token]:
    """The expression in pieces that add up to it."""
    return [Token(match.lastgroup or "", match[0]) for match in _TOKEN.finditer(expression)]


def selectors(expression: str) -> list[tuple[str, str]]:
    """Name and matchers (in braces, or empty) of each selector, in order."""
    return list(_selectors([token for token in tokens(expression) if token.kind != "space"]))


def _selectors(found: list[Token]) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(found):
        token, after = found[position], found[position + 1] if position + 1 < len(found) else Token("", "")
        position += 1
        if token.kind != "name":
            continue
        if token.text.lower() in _GROUPING and after.text == "(":
            while found[position].text != ")":
                position += 1
        elif token.text.lower() not in _WORDS and after.text not in {"(", "by", "without"}:
            yield token.text, after.text if after.kind == "matchers" else ""


def without_thresholds(expression: str) -> str:
    """The expression with comparisons that judge (`bool`) instead of dropping, and what is excluded required instead.

    So it returns data if and only if every side selects series and their labels meet, whether or not it would fire.
    `or` needs each of its sides: they are to be asked apart, see `sides`.
    """
    found = tokens(expression)
    words = [token for token in found if token.kind != "space"]
    judged = {id(one) for one, after in itertools.pairwise(words) if after.text == "bool"}
    return "".join(
        f"{token.text} bool"
        if token.kind == "comparison" and id(token) not in judged
        else "and"
        if token.text == "unless"
        else token.text
        for token in found
    )


def sides(expression: str) -> list[str]:
    """What stands between the `or`s outside of all parentheses."""
    parts, depth = [""], 0
    for token in tokens(expression):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if token.text == "or" and not depth:
            parts.append("")
        else:
            parts[-1] += token.text
    return [part.strip() for part in parts]


def quickened(expression: str, factor: float) -> str:
    """The expression with its ranges and offsets divided by `factor`: an hour's rule to be seen in half a minute."""
    found = tokens(expression)
    written = []
    for number, token in enumerate(found):
        before = [other.text for other in found[:number] if other.kind != "space"]
        timed = token.kind == "range" or (token.kind == "number" and before and before[-1] == "offset")
        written.append(_DURATION.sub(lambda match: shortened(match[0], factor), token.text) if timed else token.text)
    return "".join(written)


def shortened(duration: str, factor: float) -> str:
    """One duration such as `5m`, divided; in milliseconds, never 0."""
    amount, unit = _DURATION.fullmatch(duration).groups()  # type: ignore[union-attr]
    return f"{max(1, round(int(amount) * _SECONDS[unit] * 1000 / factor))}ms"
