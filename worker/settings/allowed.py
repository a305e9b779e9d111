"""What a setting may be, in words: for the error messages and for the generated table."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

PREFIX = "MODERATION_"


@dataclass(frozen=True, slots=True)
class Allowed:
    """Put in a type's `Annotated` metadata: says in words what a pattern or validator lets through."""

    text: str


def variable(field: str) -> str:
    """The environment variable (and secret file) that sets `field`."""
    return PREFIX + field.upper()


def allowed(field: FieldInfo) -> str:
    """What `field` may be, as it follows the words "must be"."""
    for item in field.metadata:
        if isinstance(item, Allowed):
            return item.text
    kinds = [kind for kind in _members(field.annotation) if kind is not NoneType]
    if len(kinds) == 1 and get_origin(kinds[0]) is Literal:
        choices = get_args(kinds[0])
        return str(choices[0]) if len(choices) == 1 else f"one of {', '.join(choices)}"
    if bool in kinds:
        return "true or false"
    if int in kinds or float in kinds:
        return f"{'an integer' if int in kinds else 'a number'}{_range(field.metadata)}"
    return "a path" if Path in kinds else "text"


def is_secret(field: FieldInfo) -> bool:
    """Whether the value of `field` must never be shown."""
    return SecretStr in _members(field.annotation)


def _members(annotation: object) -> tuple[object, ...]:
    return (annotation,) if get_origin(annotation) in {None, Literal} else get_args(annotation)


def _range(metadata: Iterable[object]) -> str:
    lowest = highest = ""
    for item in metadata:
        if (bound := getattr(item, "ge", None)) is not None:
            lowest = f" from {bound:,}"
        if (bound := getattr(item, "le", None)) is not None:
            highest = f" to {bound:,}"
    return lowest + highest
