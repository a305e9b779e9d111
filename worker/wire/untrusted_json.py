"""Reading JSON that strangers wrote: as fast as orjson for the usual record, exact for every other.

orjson keeps the last of two equal keys, which would let an author show one text to the model and another to
readers; it turns down lone surrogates and numbers beyond a double, which do no harm. Where a record may hold one
of these it is read again by the standard library, which shows every key as it stands.
"""

import json
import math
import re
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import orjson

from worker.core.errors import Reason

MAX_DEPTH = 256
"""Levels of nesting that are read. Real posts have fewer than ten; orjson gives up at 1,024 and the standard
library wherever the stack ends, so without a limit of ours the same record could fare differently."""

_LONGEST_INT = 20  # digits and sign of any 64-bit number; longer ones become floats, as in orjson

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_STRING_OR_BRACKET = re.compile(_STRING.pattern + rb"|[\[\]{}]", re.DOTALL)
_OPENING, _CLOSING = frozenset({b"[", b"{"}), frozenset({b"]", b"}"})
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # +1 and -1 as signed bytes
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_SPELT_WITHOUT_ESCAPES = re.compile(r"[A-Za-z0-9_ .:;@$+-]*")
_ESCAPED_ASCII = re.compile(rb"\\u00[2-7]")


class Repeated(dict[str, object]):
    """An object in which some keys stand more than once; it holds the last value of each."""

    repeated: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a body is no acceptable JSON. `detail` never holds its text."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a body holds. With a fault, `document` is what a lenient reader makes of it; None where nothing.

    Where `exact`, repeated keys show as `Repeated` and strings may hold lone surrogates; where not, the keys asked
    for stand at most once and no string holds any.
    """

    document: object
    exact: bool = True
    fault: Fault | None = None


class JsonReader:
    """Reads bodies in which only the object keys `keys` must stand once."""

    def __init__(self, keys: Collection[str]) -> None:
        self._needles = tuple(f'"{key}"'.encode() for key in sorted(set(keys)))
        # Escapes that can spell one of the keys: for plain keys only \u002x to \u007x.
        plain = all(_SPELT_WITHOUT_ESCAPES.fullmatch(key) for key in keys)
        self._escape = _ESCAPED_ASCII if plain else re.compile(rb"\\")

    def read(self, body: bytes) -> Parsed:
        """Parse `body`. Never raises; linear in its size."""
        if body.count(b"{") + body.count(b"[") > MAX_DEPTH and _depth(body) > MAX_DEPTH:
            fault = Fault(Reason.TOO_DEEP, f"JSON nested deeper than {MAX_DEPTH} levels")
            return Parsed(_read_leniently(_without_depths(body)), fault=fault)
        if self._may_repeat_a_key(body):
            return _read_exactly(body)
        try:
            return Parsed(orjson.loads(body), exact=False)
        except orjson.JSONDecodeError:
            return _read_exactly(body)

    def _may_repeat_a_key(self, body: bytes) -> bool:
        if self._escape.search(body):
            return True
        count = body.count
        for needle in self._needles:  # noqa: SIM110 - for each record: any() costs 0.4 µs more
            if count(needle) > 1:
                return True
        return False


def _read_exactly(body: bytes) -> Parsed:
    try:
        return Parsed(_STRICT.decode(_with_nuls_escaped(body).decode("utf-8")))
    except UnicodeDecodeError as error:
        fault = Fault(Reason.NOT_UTF8, f"invalid UTF-8 at byte {error.start}")
    except json.JSONDecodeError as error:
        fault = Fault(Reason.NOT_JSON, f"{error.msg} at character {error.pos}")
    except _NotANumberError:
        fault = Fault(Reason.NOT_JSON, "NaN and Infinity are not JSON")
    return Parsed(_read_leniently(body), fault=fault)


def _with_nuls_escaped(body: bytes) -> bytes:
    """NULs are stripped from texts however they are written; a raw one inside a string is the one leniency here."""
    return body.replace(b"\0", rb"\u0000") if b"\0" in body and b"\\\0" not in body else body


def _read_leniently(body: bytes) -> object:
    """What other readers may see in a body we turn down: enough to learn which post it is about."""
    try:
        # Bytes that are no UTF-8 become lone surrogates, so an id that held one does not count as readable.
        return _LENIENT.decode(body.decode("utf-8", "surrogateescape").removeprefix("\ufeff"))
    except json.JSONDecodeError:
        return None


def _depth(body: bytes) -> int:
    """The deepest nesting of brackets outside strings.

    Without a step of Python for each bracket: a list of a million lists is legal, and must not cost seconds.
    """
    steps = _STRING.sub(b"", body).translate(_STEPS, delete=_NO_BRACKETS)
    return int(np.cumsum(np.frombuffer(steps, np.int8), dtype=np.int64).max(initial=0))


def _without_depths(body: bytes) -> bytes:
    """`body` with everything nested deeper than the limit replaced by null."""
    parts: list[bytes] = []
    depth = kept = 0
    for match in _STRING_OR_BRACKET.finditer(body):
        token = match.group()
        if token in _OPENING:
            depth += 1
            if depth == MAX_DEPTH + 1:
                parts += [body[kept : match.start()], b"null"]
                kept = len(body)
        elif token in _CLOSING:
            depth -= 1
            if depth == MAX_DEPTH and kept == len(body):
                kept = match.end()
    return b"".join([*parts, body[kept:]])


class _NotANumberError(Exception):
    pass


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    seen: set[str] = set()
    found = Repeated(plain)
    found.repeated = frozenset(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
    return found


def _int(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INT else float(digits)


def _no_constant(_name: str) -> float:
    raise _NotANumberError


_STRICT = json.JSONDecoder(object_pairs_hook=_object, parse_int=_int, parse_constant=_no_constant)
_LENIENT = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_int, parse_constant=lambda _name: math.nan, strict=False
)
