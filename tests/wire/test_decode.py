import hashlib
import json

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.wire.build import json_values, outcome, record, unicode_text
from tests.wire.decoding import DECODER, FULL, decoded, rejected
from worker.core.errors import Reason, Rejected
from worker.core.types import Post, PostRef, Tombstone
from worker.wire import untrusted_json
from worker.wire.decode import Decoder
from worker.wire.schemas import validator


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_full_post_is_decoded_with_what_identifies_it() -> None:
    content_hash = sha256(b'["a title","what the author wrote"]')
    expected = Post(PostRef("post-1", 7, content_hash, "en-GB"), "what the author wrote", "a title")
    assert decoded(orjson.dumps(FULL | {"unknown": [1, {}]})) == expected


@given(unicode_text.filter(lambda text: text.replace("\0", "").strip()), st.none() | unicode_text)
def test_any_text_is_kept_as_written_and_hashed_as_the_contract_says(text: str, title: str | None) -> None:
    post = decoded(orjson.dumps({"id": "a", "text": text, "title": title}))
    kept = [None if title is None else title.replace("\0", ""), text.replace("\0", "")]
    assert [post.title, post.text] == kept
    canonical = json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode()
    assert post.ref.content_hash == sha256(canonical)


@given(st.binary(max_size=60), st.booleans(), st.none() | st.binary(max_size=4))
def test_any_bytes_are_a_post_a_tombstone_or_rejected(value: bytes, header: bool, key: bytes | None) -> None:
    found = outcome(value, Decoder(schema_registry_header=header), key)
    assert isinstance(found, Post) or found.detail


@given(st.dictionaries(st.sampled_from(sorted(FULL)), json_values), st.data())
def test_any_damaged_json_is_a_post_or_rejected_without_its_text_in_the_detail(
    fields: dict[str, object], data: st.DataObject
) -> None:
    body = bytearray(json.dumps(FULL | {"text": "SECRETWORD"} | fields, allow_nan=True).encode())
    for _ in range(data.draw(st.integers(0, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.sampled_from(b'"\\{}[],:0u\x00\xff\xed'))
    found = outcome(bytes(body))
    assert isinstance(found, Post) or "SECRETWORD" not in found.detail


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(FULL, json_values | st.sampled_from([*FULL.values()]))))
@example({"id": "a", "text": "b", "revision": 2**63})
@example({"id": "a", "text": "b", "revision": 1.0})
@example({"id": "a", "text": "b", "created_at": "2024-02-30T00:00:00Z"})
def test_a_post_is_accepted_exactly_where_the_published_schema_accepts_it(fields: dict[str, object]) -> None:
    document = orjson.loads(json.dumps(fields).replace("NaN", "0").replace("-Infinity", "0").replace("Infinity", "0"))
    found = outcome(orjson.dumps(document))
    if type(document.get("id")) is int:
        document["id"] = str(document["id"])
    accepted = isinstance(found, Post) or found.reason is Reason.EMPTY_TEXT
    past_64_bits = isinstance(found, Rejected) and found.detail.endswith("past 64 bits")
    assert accepted is (validator("post.v1").is_valid(document) and not past_64_bits)


@pytest.mark.parametrize(
    ("value", "reason", "readable"),
    [
        (b"", Reason.NOT_JSON, False),
        (b"\x01\x02", Reason.NOT_JSON, False),
        (b'{"id":"a","text":"b"', Reason.NOT_JSON, False),
        (b'{"id":"a","text":"b"} x', Reason.NOT_JSON, False),
        (b'{"id":"a","text":"b","n":NaN}', Reason.NOT_JSON, True),
        (b'{"id":"a","text":"b","n":[-Infinity]}', Reason.NOT_JSON, True),
        (b'\xef\xbb\xbf{"id":"a","text":"b"}', Reason.NOT_JSON, True),
        (b'{"id":"a","text":"tab\there"}', Reason.NOT_JSON, True),
        (b'{"id":"a","text":"\\\x00"}', Reason.NOT_JSON, False),
        (b'{"id":"a","text":"b","revision":NaN}', Reason.NOT_JSON, True),
        (b'{"id":"a","text":"\xff"}', Reason.NOT_UTF8, True),
        (b'{"id":"a","text":"\xed\xa0\x80"}', Reason.NOT_UTF8, True),
        (b'{"id":"a\xff","text":"b"}', Reason.NOT_UTF8, False),
        (b"[]", Reason.NOT_AN_OBJECT, False),
        (b'"text"', Reason.NOT_AN_OBJECT, False),
        (b"null", Reason.NOT_AN_OBJECT, False),
        (b'{"text":"b"}', Reason.SCHEMA, False),
        (b'{"id":null,"text":"b"}', Reason.SCHEMA, False),
        (b'{"id":"","text":"b"}', Reason.SCHEMA, False),
        (b'{"id":true,"text":"b"}', Reason.SCHEMA, False),
        (b'{"id":1.5,"text":"b"}', Reason.SCHEMA, False),
        (b'{"id":"\\ud800","text":"b"}', Reason.SCHEMA, False),
        (b'{"id":18446744073709551616,"text":"b"}', Reason.SCHEMA, False),
        (b'{"id":-9223372036854775809,"text":"b"}', Reason.SCHEMA, False),
        (b'{"id":99999999999999999999,"text":"\\ud800"}', Reason.SCHEMA, False),
        (b'{"id":{"\\ud800":1},"text":"b"}', Reason.SCHEMA, False),
        (b'{"id":"a","text":["\\ud800"]}', Reason.SCHEMA, True),
        (b'{"id":"a","text":"b","language":{"\\ud800":1}}', Reason.SCHEMA, True),
        (b'{"id":"a","text":"b","created_at":["\\ud800"]}', Reason.SCHEMA, True),
        (b'{"id":"a","text":"b","revision":{"x":"\\ud800","x":1}}', Reason.SCHEMA, True),
        (b'{"id":"a","text":"b","revision":1e16}', Reason.SCHEMA, True),
        (b'{"id":"a"}', Reason.SCHEMA, True),
        (b'{"id":"a","text":null}', Reason.SCHEMA, True),
        (b'{"id":"a","text":["b"]}', Reason.SCHEMA, True),
        (b'{"id":"a","text":"b","title":1}', Reason.SCHEMA, True),
        (b'{"id":"a","text":"b","revision":-1}', Reason.SCHEMA, True),
        (b'{"id":"a","text":"b","revision":"1"}', Reason.SCHEMA, True),
        (b'{"id":"a","text":"b","revision":true}', Reason.SCHEMA, True),
        (b'{"id":"a","text":"b","revision":9223372036854775808}', Reason.SCHEMA, True),
        (b'{"id":"a","text":"b","revision":1e999}', Reason.SCHEMA, True),
        (b'{"id":"a","text":"b","language":"en_US"}', Reason.SCHEMA, True),
        (b'{"id":"a","text":"b","language":"\\udfff"}', Reason.SCHEMA, True),
        (b'{"id":"a","text":"b","created_at":"2024-01-01"}', Reason.SCHEMA, True),
        (b'{"id":"a","text":""}', Reason.EMPTY_TEXT, True),
        (b'{"id":"a","text":" \\n\\t\\u2003"}', Reason.EMPTY_TEXT, True),
        (b'{"id":"a","text":"\\u0000","title":" "}', Reason.EMPTY_TEXT, True),
    ],
)
def test_a_record_that_is_no_post_has_a_reason_and_a_reference_where_its_id_is_readable(
    value: bytes, reason: Reason, readable: bool
) -> None:
    rejection = rejected(value)
    assert rejection.reason is reason
    assert rejection.post == (PostRef("a", None, sha256(value)) if readable else None)


def test_a_reference_keeps_the_revision_and_language_that_hold() -> None:
    value = orjson.dumps(FULL | {"text": 3})
    assert rejected(value).post == PostRef("post-1", 7, sha256(value), "en-GB")
    assert rejected(orjson.dumps(FULL | {"revision": -7})).post == PostRef(
        "post-1", None, sha256(orjson.dumps(FULL | {"revision": -7})), "en-GB"
    )


@pytest.mark.parametrize("size", [513, 1_000_000])
def test_an_id_over_512_bytes_is_rejected_and_unreadable(size: int) -> None:
    for identity in ("x" * size, "é" * (size // 2 + 1)):
        rejection = rejected(orjson.dumps({"id": identity, "text": "b"}))
        assert rejection.reason is Reason.SCHEMA
        assert rejection.post is None
        assert len(rejection.detail) < 100


def test_an_id_of_512_bytes_is_read() -> None:
    assert decoded(orjson.dumps({"id": "é" * 256, "text": "b"})).ref.id == "é" * 256


@pytest.mark.parametrize("number", [0, 42, -7, 2**63, 2**64 - 1])
def test_an_integer_id_becomes_its_decimal_string(number: int) -> None:
    assert decoded(f'{{"id":{number},"text":"b"}}'.encode()).ref.id == str(number)
    rejection = rejected(f'{{"id":{number},"text":1}}'.encode())
    assert rejection.post is not None
    assert rejection.post.id == str(number)


@pytest.mark.parametrize(
    "value",
    [
        b'{"id":"a","text":"b","n":1e999,"m":[-1e999]}',
        b'{"id":"a","text":"b","n":1' + b"0" * 10_000 + b"}",
        b'{"id":"a","text":"b","n":0.' + b"1" * 10_000 + b"}",
        b'{"id":"a","text":"b","other":{"id":"c","id":"d"},"x":1,"x":2}',
        b'{"id":"a","text":"b","title":null,"language":null,"revision":null,"created_at":null}',
    ],
)
def test_what_is_not_mapped_does_no_harm(value: bytes) -> None:
    post = decoded(value)
    assert (post.ref.id, post.text, post.title) == ("a", "b", None)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (b"a\\u0000b", "ab"),
        (b"a\x00b", "ab"),
        (b"a\\ud800b", "a\ufffdb"),
        (b"\\udc00\\ud800", "\ufffd\ufffd"),
        (b"\\ud83d\\ude00", "\U0001f600"),
        (b"\\ud800\\u0000\\udc00", "\ufffd\ufffd"),
    ],
)
def test_nuls_and_lone_surrogates_are_mended_and_the_post_scored(written: bytes, text: str) -> None:
    post = decoded(b'{"id":"a","text":"x' + written + b'","title":"' + written + b'"}')
    assert (post.text, post.title) == ("x" + text, text)


def test_a_title_makes_an_empty_text_worth_scoring() -> None:
    assert decoded(b'{"id":"a","text":"","title":"b"}').text == ""


@pytest.mark.parametrize(
    "body", [b"[" * 300 + b"]" * 300, b'{"a":' * 300 + b"1" + b"}" * 300, b"[{}," * 257 + b"1" + b"]" * 257]
)
def test_deep_nesting_is_rejected_and_the_id_beside_it_read(body: bytes) -> None:
    for value in (b'{"z":' + body + b',"id":"a","text":"b"}', b'{"id":"a","text":"]]","z":' + body + b"}"):
        rejection = rejected(value)
        assert rejection.reason is Reason.TOO_DEEP
        assert rejection.post is not None
        assert rejection.post.id == "a"


@given(st.text('[]{}"\\\\,a', max_size=30))
@example('["]"')
@example('"[\\"["]')
def test_depth_counts_brackets_outside_strings(text: str) -> None:
    deepest = depth = 0
    in_string = escaped = False
    for char in text:
        if in_string:
            in_string, escaped = escaped or char != '"', char == "\\" and not escaped
            continue
        in_string = char == '"'
        depth += (char in "[{") - (char in "]}")
        deepest = max(deepest, depth)
    assert untrusted_json._depth(text.encode()) == deepest


def test_bottomless_nesting_is_rejected() -> None:
    for value in (b"[" * 300_000, b'{"id":"a","z":' + b'{"a":' * 200_000, b"]" * 1_000):
        assert rejected(value).reason in {Reason.TOO_DEEP, Reason.NOT_JSON}


def test_brackets_within_a_text_or_side_by_side_are_no_nesting() -> None:
    assert decoded(orjson.dumps({"id": "a", "text": '[{"\\' * 1_000})).text == '[{"\\' * 1_000
    assert decoded(orjson.dumps({"id": "a", "text": "b", "z": [[]] * 1_000})).text == "b"


def test_a_record_over_the_limit_is_rejected_but_its_id_read() -> None:
    value = orjson.dumps({"id": "a", "text": "b" * 5_000_000})
    rejection = rejected(value, Decoder(max_record_bytes=1_000_000))
    assert rejection.reason is Reason.RECORD_TOO_LARGE
    assert "MODERATION_MAX_RECORD_BYTES" in rejection.detail
    assert rejection.post == PostRef("a", None, sha256(value))
    assert decoded(value, Decoder(max_record_bytes=len(value))).ref.id == "a"


def test_a_null_value_is_a_tombstone_with_a_key_and_rejected_without() -> None:
    assert DECODER.decode(record(None)) == Tombstone()
    assert DECODER.decode(record(None, b"")) == Tombstone()
    assert rejected(None, key=None).reason is Reason.TOMBSTONE_WITHOUT_KEY


def test_a_schema_registry_header_is_stripped_where_the_setting_says_so() -> None:
    header, body = b"\x00\x00\x00\x01\x02", b'{"id":"a","text":"b"}'
    with_header = Decoder(schema_registry_header=True)
    assert decoded(header + body, with_header).ref.id == "a"
    assert rejected(header + b'{"id":"a"}', with_header).post == PostRef("a", None, sha256(header + b'{"id":"a"}'))

    missing = rejected(body, with_header)
    assert missing.reason is Reason.NO_REGISTRY_HEADER
    assert missing.post == PostRef("a", None, sha256(body))
    assert rejected(b"\x00\x01", with_header).reason is Reason.NO_REGISTRY_HEADER
    assert "MODERATION_SCHEMA_REGISTRY_HEADER=true" in rejected(header + body).detail
