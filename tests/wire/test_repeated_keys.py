"""A reader that keeps the first of two equal keys shows another text than one that keeps the last."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.wire.build import outcome
from worker.core.errors import Reason, Rejected
from worker.core.types import Post
from worker.wire.decode import Decoder
from worker.wire.fields import FieldMap, find, tokens
from worker.wire.untrusted_json import JsonReader, Repeated

NESTED = FieldMap(id="/post/id", text="/post/body/text", title="/título", language='/a"b', revision="/post/body/r~1v")


@pytest.mark.parametrize(
    ("value", "readable"),
    [
        (b'{"id":"a","text":"x","text":"y"}', True),
        (b'{"id":"a","text":"x","text":"x"}', True),
        (b'{"id":"a","text":"x","text":null}', True),
        (b'{"id":"a","text":"x","t\\u0065xt":"y"}', True),
        (b'{"id":"a","\\u0074\\u0065\\u0078\\u0074":"x","\\u0074ext":"y"}', True),
        (b'{"id":"a","text":"x","te\\u0078t" : "y"}', True),
        (b'{"id":"a","text":"x","title":"t","title":"u"}', True),
        (b'{"id":"a","text":"x","revision":1,"revision":2}', True),
        (b'{"id":"a","text":"x","created_at":null,"created\\u005fat":null}', True),
        (b'{"id":"a","id":"b","text":"x"}', False),
        (b'{"id":"a","\\u0069d":"a","text":"x"}', False),
        (b'{"id":"a","id":"a","text":3}', False),
    ],
)
def test_a_mapped_key_that_stands_twice_is_rejected_however_it_is_written(value: bytes, readable: bool) -> None:
    rejection = outcome(value)
    assert isinstance(rejection, Rejected)
    assert rejection.reason is Reason.DUPLICATE_KEY
    assert (rejection.post is not None) is readable


@pytest.mark.parametrize(
    "value",
    [
        b'{"post":{"id":"a","body":{"text":"x","text":"y"}}}',
        b'{"post":{"id":"a","body":{"text":"x"},"body":{"text":"y"}}}',
        b'{"post":{"id":"a","body":{"text":"x"}},"post":{"id":"a","body":{"text":"x"}}}',
        b'{"post":{"id":"a","body":{"text":"x"}},"t\\u00edtulo":"x","t\xc3\xadtulo":"y"}',
        b'{"post":{"id":"a","body":{"text":"x"}},"a\\"b":"en","a\\u0022b":"de"}',
        b'{"post":{"id":"a","body":{"text":"x","r/v":1,"r\\/v":2}}}',
    ],
)
def test_a_key_on_the_way_to_a_mapped_field_counts_too(value: bytes) -> None:
    rejection = outcome(value, Decoder(NESTED))
    assert isinstance(rejection, Rejected)
    assert rejection.reason is Reason.DUPLICATE_KEY


@pytest.mark.parametrize("escaped", [b"\\u0041-1", b"A\\u002d1", b"A-\\u0031", b"A-1"])
def test_capitals_digits_and_signs_in_a_mapped_key_can_be_escaped_too(escaped: bytes) -> None:
    rejection = outcome(b'{"id":"a","A-1":"x","' + escaped + b'":"y"}', Decoder(FieldMap(text="/A-1")))
    assert isinstance(rejection, Rejected)
    assert rejection.reason is Reason.DUPLICATE_KEY


@pytest.mark.parametrize(
    "value",
    [
        b'{"id":"a","text":"x","author":{"id":"b","text":"y"}}',
        b'{"id":"a","text":"\\"text\\":","kind":"text","of":"id"}',
        b'{"id":"a","text":"x","n":1,"n":2,"author":{"id":1,"id":2}}',
        b'{"id":"a","text":"x","Text":"y","text ":"z"}',
    ],
)
def test_equal_keys_elsewhere_do_no_harm(value: bytes) -> None:
    assert isinstance(outcome(value), Post)


KEYS = ["id", "text", "post", "body", "título", 'a"b', "r/v", "other", "x"]


def spelt(key: str, escape: list[bool]) -> str:
    """`key` as a JSON string, characters escaped where `escape` says so."""
    parts = [
        f"\\u{ord(c):04x}" if e else json.dumps(c, ensure_ascii=False)[1:-1] for c, e in zip(key, escape, strict=True)
    ]
    return '"' + "".join(parts) + '"'


@st.composite
def spelt_keys(draw: st.DrawFn) -> str:
    key = draw(st.sampled_from(KEYS))
    escape = draw(st.sampled_from([[False] * len(key)] * 3 + [[i == 0 for i in range(len(key))], [True] * len(key)]))
    return spelt(key, escape)


@st.composite
def objects(draw: st.DrawFn, depth: int = 3) -> str:
    leaf = st.sampled_from(['"a"', "1", "null", '"text"', '"\\"id\\":"', '"\\\\"', "[]", '"en"'])
    value = leaf | objects(depth - 1) if depth else leaf
    members = draw(st.lists(st.tuples(spelt_keys(), value), max_size=4))
    return "{" + ",".join(f"{key}:{value}" for key, value in members) + "}"


def without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = Repeated(dict(pairs))
    keys = [key for key, _ in pairs]
    found.repeated = frozenset(key for key in keys if keys.count(key) > 1)
    return found


@given(objects())
@example('{"id":"a","text":"b","\\u0074ext":"c"}')
def test_the_quick_look_never_overlooks_a_repeated_key(text: str) -> None:
    exact = json.loads(text, object_pairs_hook=without_repeats)
    for fields in (FieldMap(), NESTED):
        paths = [tokens(pointer) for _, pointer in fields.pointers()]
        parsed = JsonReader([token for path in paths for token in path]).read(text.encode())
        assert [seen(parsed.document, path) for path in paths] == [seen(exact, path) for path in paths]


def seen(document: object, path: tuple[str, ...]) -> object:
    try:
        return find(document, path)
    except Exception as error:  # noqa: BLE001 - compared by type
        return type(error)
