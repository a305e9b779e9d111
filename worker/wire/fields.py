"""Where a post's fields stand in a record: JSON Pointers (RFC 6901), so that an existing topic fits unchanged."""

import re
from dataclasses import dataclass, fields

from worker.wire.untrusted_json import Repeated

_BAD_ESCAPE = re.compile(r"~(?![01])")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class FieldMap:
    """A JSON Pointer for each field of post.v1. Raises ValueError for one that is no pointer to a field."""

    id: str = "/id"
    text: str = "/text"
    title: str = "/title"
    language: str = "/language"
    revision: str = "/revision"
    created_at: str = "/created_at"

    def __post_init__(self) -> None:
        for name, pointer in self.pointers():
            if not pointer.startswith("/") or _BAD_ESCAPE.search(pointer):
                raise ValueError(f"field {name}: {pointer!r} is no JSON Pointer such as /data/{name} (RFC 6901)")

    def pointers(self) -> tuple[tuple[str, str], ...]:
        """Each field's name with its pointer."""
        return tuple((field.name, getattr(self, field.name)) for field in fields(self))


class RepeatedKeyError(Exception):
    """The key that leads to a field stands more than once: readers may see different values."""


def tokens(pointer: str) -> tuple[str, ...]:
    """The reference tokens of a JSON Pointer, unescaped."""
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])


def find(document: object, path: tuple[str, ...]) -> object:
    """The value at `path`, None where there is none. Raises RepeatedKeyError where a key on the way is repeated."""
    node = document
    for token in path:
        if isinstance(node, dict):
            if type(node) is Repeated and token in node.repeated:
                raise RepeatedKeyError
            node = node.get(token)
        elif isinstance(node, list):
            node = node[int(token)] if _INDEX.fullmatch(token) and int(token) < len(node) else None
        else:
            return None
    return node
