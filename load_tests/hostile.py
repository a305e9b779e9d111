"""Records that try to stop the stream or to slip past it, each with what must become of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson

from worker.core.errors import Reason

PREFIX = "hostile-"
FIVE_MEGABYTES = 5_000_000


@dataclass(frozen=True, slots=True)
class Due:
    """What must come out for one record. `dead_letter` is the reason; a verdict beside it says `review`."""

    verdict: bool = False
    tombstone: bool = False
    dead_letter: Reason | None = None


@dataclass(frozen=True, slots=True)
class Hostile:
    """One kind of hostile record: its value for a given post id (None: a tombstone), and how often it may appear."""

    value: Callable[[str], bytes | None]
    due: Due
    at_most: int = 1_000_000
    keyed: bool = True


def due(key: bytes | None, value: bytes | None) -> Due:
    """What must become of an input record, told by its key alone (or by its having neither key nor value)."""
    if key is None:
        return TOMBSTONE_WITHOUT_KEY if value is None else SCORED
    name = key.decode("utf-8", "replace")
    if not name.startswith(PREFIX):
        return SCORED
    return KINDS[name.removeprefix(PREFIX).rsplit("-", 1)[0]].due


def _post(text: str, **fields: object) -> Callable[[str], bytes]:
    return lambda name: orjson.dumps({"id": name, "text": text, **fields})


def _raw(template: bytes) -> Callable[[str], bytes]:
    return lambda name: template.replace(b"ID", name.encode())


def _rejected(reason: Reason) -> Due:
    return Due(dead_letter=reason)


def _reviewed(reason: Reason) -> Due:
    """The post's id can be read, so it also gets a verdict: nobody dodges moderation by being unreadable."""
    return Due(verdict=True, dead_letter=reason)


SCORED = Due(verdict=True)
TOMBSTONE_WITHOUT_KEY = _rejected(Reason.TOMBSTONE_WITHOUT_KEY)
_DEEP = b"[" * 100_000 + b"]" * 100_000

KINDS: Mapping[str, Hostile] = {
    # No post at all
    "not-json": Hostile(_raw(b"this is no JSON, ID"), _rejected(Reason.NOT_JSON)),
    "no-bytes": Hostile(_raw(b""), _rejected(Reason.NOT_JSON)),
    "cut-off": Hostile(_raw(b'{"id": "ID", "text": "cut o'), _rejected(Reason.NOT_JSON)),
    "binary": Hostile(_raw(b"\x00\x01\x02\xff\xfe ID"), _rejected(Reason.NOT_JSON)),
    "a-list": Hostile(_raw(b'["ID"]'), _rejected(Reason.NOT_AN_OBJECT)),
    "a-number": Hostile(_raw(b"17"), _rejected(Reason.NOT_AN_OBJECT)),
    "deep-list": Hostile(_raw(_DEEP), _rejected(Reason.TOO_DEEP), at_most=10),
    "no-id": Hostile(_raw(b'{"text": "who am I"}'), _rejected(Reason.SCHEMA)),
    "id-is-a-list": Hostile(_raw(b'{"id": ["ID"], "text": "who am I"}'), _rejected(Reason.SCHEMA)),
    "two-ids": Hostile(_raw(b'{"id": "ID", "id": "other", "text": "who am I"}'), _rejected(Reason.DUPLICATE_KEY)),
    "megabyte-id": Hostile(
        _raw(b'{"id": "' + b"i" * 1_000_000 + b'", "text": "x"}'), _rejected(Reason.SCHEMA), at_most=3
    ),
    "tombstone-without-key": Hostile(lambda _name: None, TOMBSTONE_WITHOUT_KEY, keyed=False),
    # A post with a readable id that cannot be scored
    "no-text": Hostile(_raw(b'{"id": "ID"}'), _reviewed(Reason.SCHEMA)),
    "text-is-a-number": Hostile(_raw(b'{"id": "ID", "text": 5}'), _reviewed(Reason.SCHEMA)),
    "empty-text": Hostile(_post(""), _reviewed(Reason.EMPTY_TEXT)),
    "two-texts": Hostile(_raw(b'{"id": "ID", "text": "kind", "text": "unkind"}'), _reviewed(Reason.DUPLICATE_KEY)),
    "not-utf8": Hostile(_raw(b'{"id": "ID", "text": "caf\xe9 \xff"}'), _reviewed(Reason.NOT_UTF8)),
    "nan": Hostile(_raw(b'{"id": "ID", "text": "fine", "score": NaN}'), _reviewed(Reason.NOT_JSON)),
    "infinity": Hostile(_raw(b'{"id": "ID", "text": "fine", "score": -Infinity}'), _reviewed(Reason.NOT_JSON)),
    "deep": Hostile(_raw(b'{"id": "ID", "text": "fine", "x": ' + _DEEP + b"}"), _reviewed(Reason.TOO_DEEP), at_most=10),
    "long-revision": Hostile(
        _raw(b'{"id": "ID", "text": "fine", "revision": 1' + b"0" * 30 + b"}"), _reviewed(Reason.SCHEMA)
    ),
    "five-megabytes": Hostile(_post("long " * (FIVE_MEGABYTES // 5)), _reviewed(Reason.TEXT_TOO_LONG), at_most=1),
    "too-many-characters": Hostile(_post("x" * 100_001), _reviewed(Reason.TEXT_TOO_LONG), at_most=20),
    "only-zero-width": Hostile(_post("\u200b\u200d\u2060\ufeff"), _reviewed(Reason.NO_SCORABLE_TEXT)),
    # Scored all the same
    "nuls": Hostile(_post("no\0bo\0dy is\0 fooled"), SCORED),
    "lone-surrogates": Hostile(_raw(b'{"id": "ID", "text": "half \\ud83d a face \\udc00"}'), SCORED),
    "long-word": Hostile(_post("ab" * 2_500), SCORED),
    "special-tokens": Hostile(_post("[CLS] [SEP] [PAD] [MASK] are words here"), SCORED),
    "foreign-scripts": Hostile(_post("여러분 안녕하세요 שלום مرحبا 你好 🙂🙃"), SCORED),
    "tombstone": Hostile(lambda _name: None, Due(tombstone=True)),
}
