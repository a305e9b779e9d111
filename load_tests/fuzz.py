"""Records by a seed that nobody would write on purpose, and what must have become of them.

Structure-aware: most are nearly a post, and wrong in one or two places, for that is where a decoder's branches are.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

JsonMaker = Callable[[random.Random, int], bytes]
Headers = Sequence[tuple[str, bytes]]

YEAR_1970, YEAR_2100 = 0, 4_102_444_800_000
DEEPEST, DEEPEST_RARELY = 40, 3_000
HUGE_KEY_BYTES = 200_000
_WORDS = (
    "you",
    "are",
    "kind",
    "mean",
    "people",
    "like",
    "this",
    "never",
    "ok",
    "사람",
    "привет",
    "שלום",
    "🙂",
    "ﷺ",
    "e\u0301",
)
_STRINGS = (
    b'""',
    b'" "',
    b'"\\u0000"',
    b'"\\ud83d"',
    b'"\\udc00\\ud83d x"',
    b'"half \\ud83d a face"',
    b'"\\uD83D\\uDE42"',
    b'"\xc3\x28"',
    b'"\xed\xa0\x80"',
    b'"\xf8\x88\x80\x80\x80"',
    b'"\xff"',
    b'"\xe2\x80\xae evil \xe2\x80\xac"',
    b'"\xe2\x80\x8b\xe2\x81\xa0\xef\xbb\xbf"',
    b'"[CLS] [SEP] [MASK]"',
    b'"tab\there"',
    b'"\\x"',
    b'"\\u12"',
    b"'single'",
    b'"unterminated',
)
_NUMBERS = [
    b"9" * 400,
    b"1" + b"0" * 400 + b".5",
    *b"0 -0 1 -1 1.5 1e3 1E400 -1e400 1e-400 NaN Infinity -Infinity 0x10 01 1. .5 +1 1e 1_000".split(),
    *b"9007199254740993 9223372036854775807 18446744073709551615 18446744073709551616 -9223372036854775809".split(),
]
_FIELDS = (
    b'"id"',
    b'"text"',
    b'"title"',
    b'"language"',
    b'"revision"',
    b'"created_at"',
    b'"extra"',
    b'"i\\u0064"',
    b'""',
)
_SPACES = (b"", b"", b" ", b"\n\t ", b"\xef\xbb\xbf", b"\xc2\xa0", b"\x00")


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """A record to write. `scored`: it is a post beyond doubt, and must be scored."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int
    scored: bool = False


def fuzzed(count: int, seed: int) -> Iterator[Fuzzed]:
    """`count` records; the same for the same seed."""
    draw = random.Random(seed)
    for number in range(count):
        scored = draw.random() < 0.2
        value = _post(draw, number) if scored else _value(draw, number)
        yield Fuzzed(_key(draw, number), value, _headers(draw), _timestamp(draw), scored)


def _post(draw: random.Random, number: int) -> bytes:
    words = " ".join(draw.choices(_WORDS[:9], k=draw.randint(1, 12)))
    return f'{{"id": "fuzz-{number}", "text": "{words}"}}'.encode()


def _value(draw: random.Random, number: int) -> bytes | None:
    kind = draw.random()
    if kind < 0.03:
        return None
    if kind < 0.08:
        return draw.randbytes(draw.randint(0, 60))
    if kind < 0.16:
        return _json(draw, 0)
    made = _nearly_a_post(draw, number)
    return _damaged(draw, made) if kind < 0.35 else made


def _nearly_a_post(draw: random.Random, number: int) -> bytes:
    fields = [(b'"id"', f'"fuzz-{number}"'.encode()), (b'"text"', _text(draw))]
    for _ in range(draw.randint(0, 3)):
        change = draw.random()
        place = draw.randrange(len(fields)) if fields else 0
        if change < 0.4 or not fields:  # one more, perhaps for the second time
            fields.insert(place, (draw.choice(_FIELDS), _json(draw, 0)))
        elif change < 0.8:  # another value
            fields[place] = (fields[place][0], _json(draw, 0))
        else:
            del fields[place]
    space = draw.choice(_SPACES) if draw.random() < 0.2 else b""
    return space + b"{" + b", ".join(name + b": " + value for name, value in fields) + b"}" + space


def _text(draw: random.Random) -> bytes:
    return draw.choice(_STRINGS) if draw.random() < 0.3 else f'"{" ".join(draw.choices(_WORDS, k=6))}"'.encode()


def _json(draw: random.Random, depth: int) -> bytes:
    kind = draw.random()
    if depth == 0 and kind < 0.04:
        levels = draw.randint(1, DEEPEST_RARELY if draw.random() < 0.1 else DEEPEST)
        left, right = draw.choice(((b"[", b"]"), (b'{"a":', b"}")))
        return left * levels + b"1" + right * levels
    if depth > 3 or kind < 0.35:
        return draw.choice(_STRINGS)
    if kind < 0.6:
        return draw.choice(_NUMBERS)
    if kind < 0.7:
        return draw.choice((b"null", b"true", b"false", b"nul", b"True", b""))
    inner = [_json(draw, depth + 1) for _ in range(draw.randint(0, 3))]
    if kind < 0.85:
        return b"[" + b",".join(inner) + b"]"
    return b"{" + b",".join(draw.choice(_FIELDS) + b":" + value for value in inner) + b"}"


def _damaged(draw: random.Random, value: bytes) -> bytes:
    place = draw.randrange(len(value) + 1)
    kind = draw.randrange(4)
    if kind == 0:
        return value[:place]
    if kind == 1:
        return value[:place] + draw.randbytes(draw.randint(1, 4)) + value[place:]
    if kind == 2:
        return value[:place] + value[place + 1 :]
    return value + value


def _key(draw: random.Random, number: int) -> bytes | None:
    kind = draw.random()
    if kind < 0.2:
        return None
    if kind < 0.25:
        return b""
    if kind < 0.3:
        return draw.randbytes(draw.randint(1, 40))
    if kind < 0.302:
        return draw.randbytes(HUGE_KEY_BYTES)
    return f"fuzz-{number}".encode()


def _headers(draw: random.Random) -> Headers:
    if draw.random() < 0.7:
        return []
    names = ("traceparent", "schema", "reason", "topic", "offset", "original.topic", "", "ключ", "x" * 300)
    return [(draw.choice(names), draw.randbytes(draw.randint(0, 30))) for _ in range(draw.randint(1, 5))]


def _timestamp(draw: random.Random) -> int:
    return draw.choice((YEAR_1970, 1, YEAR_2100, 1_795_442_861_788))
