"""What `tune` may vary: fields of a Recipe, as lists of values or ranges."""

import math
import re
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any

from worker.core.errors import Fatal
from worker.modeling.training.recipe import Recipe

DEFAULT_SEARCH = ("learning_rate=3e-5..3e-4:log", "epochs=2,3,4", "dropout=0.1,0.2,0.3", "weight_decay=0,0.01,0.1")
_NOT_SEARCHED = {"seed", "max_length", "folds", "teacher_weight", "hidden_weight"}
"""Numbers that make trials incomparable, and those of `distill`, which has teachers."""
_WEIGHTS = ("source_weights", "positive_weights")
_RANGE = re.compile(r"(?P<low>[^.,:]+(?:\.\d[^.,:]*)?)\.\.(?P<high>[^,:]+)(?P<log>:log)?")


@dataclass(frozen=True, slots=True)
class Dimension:
    """One field of the recipe and what it may be: one of `values`, or from `low` to `high` (uniform, or in its log).

    `field` may be `source_weights.NAME` or `positive_weights.NAME`.
    """

    field: str
    values: tuple[float, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False


def parse_dimension(text: str, option: str = "--search") -> Dimension:
    """Read `FIELD=a,b,c`, `FIELD=low..high` or `FIELD=low..high:log`. Raises Fatal naming what is wrong with it."""
    field, equals, choice = text.partition("=")
    numeric = _numeric_fields()
    if not equals or (field not in numeric and field.partition(".")[0] not in _WEIGHTS):
        names = ", ".join([*numeric, *(f"{name}.NAME" for name in _WEIGHTS)])
        raise Fatal(f"{option} {text}: expected FIELD=a,b,c or FIELD=low..high[:log]; the fields are {names}")
    kind = numeric.get(field, float)
    try:
        if found := _RANGE.fullmatch(choice):
            return _range(field, float(found["low"]), float(found["high"]), bool(found["log"]), kind)
        return Dimension(field, tuple(_number(value, kind) for value in choice.split(",")))
    except ValueError as error:
        raise Fatal(f"{option} {text}: {error}") from error


def apply(recipe: Recipe, chosen: dict[str, Any]) -> Recipe:
    """`recipe` with the values that a trial drew, `{field: value}` with fields as in `Dimension`."""
    plain = {field: value for field, value in chosen.items() if "." not in field}
    for name in _WEIGHTS:
        drawn = {f.partition(".")[2]: v for f, v in chosen.items() if f.startswith(f"{name}.")}
        if drawn:
            plain[name] = {**getattr(recipe, name), **drawn}
    return replace(recipe, **plain)


def check_space(recipe: Recipe, space: Sequence[Dimension], dev: Sequence[Path]) -> None:
    """Raise Fatal where a value or an end of a range is none that `recipe` could be trained with."""
    for dimension in space:
        for value in dimension.values or (dimension.low, dimension.high):
            try:
                apply(recipe, {dimension.field: value}).check(dev)
            except Fatal as error:
                raise Fatal(f"--search {dimension.field}: {error}") from error


def _numeric_fields() -> dict[str, type]:
    """Fields of a recipe whose default is a number."""
    kinds = {f.name: type(f.default) for f in fields(Recipe) if f.default is not MISSING}
    return {name: kind for name, kind in kinds.items() if kind in {int, float} and name not in _NOT_SEARCHED}


def _number(text: str, kind: type) -> float:
    value = kind(text)
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{text} is not a number from 0")
    return value  # type: ignore[no-any-return]


def _range(field: str, low: float, high: float, log: bool, kind: type) -> Dimension:
    if kind is int:
        raise ValueError(f"{field} is a whole number: list its values, such as {field}=2,3,4")
    if not (0 <= low < high < math.inf) or (log and low == 0):
        raise ValueError(f"a range ascends from 0 or more{', and above 0 for :log' if log else ''}")
    return Dimension(field, low=low, high=high, log=log)
