import hashlib
import json

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import example, given
from hypothesis import strategies as st

from tests.wire.build import POST, encoder, header, record, unicode_text
from tests.wire.published import SCORED, SMALLEST, check_dead_letter, verdict
from worker.core.errors import Fatal, Reason, Rejected
from worker.core.ports import Outcome
from worker.core.types import Channel, Outgoing, Partition, PostRef, Record, Scored, Tombstone
from worker.wire.sizes import record_size


def test_a_limit_too_small_for_a_verdict_is_refused_at_the_start() -> None:
    with pytest.raises(Fatal, match=r"MODERATION_MAX_OUTPUT_BYTES, or max.message.bytes .* is 4000"):
        encoder(output=4_000)
    with pytest.raises(Fatal, match=r"MODERATION_MAX_DEAD_LETTER_BYTES, or max.message.bytes .* is 9999"):
        encoder(dead_letter=9_999)


names = st.sampled_from(["traceparent", "baggage", "x-request-id", "cookie", "é" * 40, "reason", ""]) | unicode_text
small = st.binary(max_size=20)
blobs = small | st.builds(
    lambda unit, size: (unit * size)[:size], st.binary(min_size=1, max_size=3), st.integers(1, 40_000)
)
header_lists = st.lists(st.tuples(names, blobs), max_size=6) | st.integers(0, 3_000).map(
    lambda n: [("baggage", b"")] * n
)
ids = st.sampled_from(["\0" * 512, "é" * 256, "x"]) | st.text("ab\0é", min_size=1, max_size=128)
posts = st.builds(
    PostRef,
    ids,
    st.none() | st.integers(0, 2**63 - 1),
    st.just("b" * 64),
    st.none() | st.just("x" * 64),
)
outcomes: st.SearchStrategy[Outcome] = st.one_of(
    st.builds(Scored, posts, st.tuples(st.floats(0, 1), st.floats(0, 1)), st.integers(1, 2**31 - 1)),
    st.just(Tombstone()),
    st.builds(Rejected, st.sampled_from(Reason), unicode_text.map(lambda text: text * 40), st.none() | posts),
)
records = st.builds(
    Record,
    st.builds(Partition, st.sampled_from(["posts", "x" * 249]), st.integers(0, 2**31 - 1)),
    st.integers(0, 2**63 - 1),
    st.integers(-1, 2**62),
    st.none() | blobs,
    st.none() | blobs,
    header_lists.map(tuple),
)
HUGE = b"x" * 1_048_576


@given(records, outcomes, st.sampled_from([SMALLEST, 20_000, 60_000]))
@example(record(HUGE, HUGE, (("traceparent", HUGE), ("cookie", HUGE))), SCORED, SMALLEST)
@example(record(HUGE, HUGE, (("traceparent", HUGE), ("cookie", HUGE))), Rejected(Reason.SCHEMA, "", POST), SMALLEST)
@example(record(None, HUGE, (("traceparent", HUGE),)), Tombstone(), SMALLEST)
def test_whatever_a_record_holds_everything_published_fits_and_keeps_to_the_schemas(
    read: Record, outcome: Outcome, limit: int
) -> None:
    published = encoder(limit, limit)(read, outcome)
    assert published
    for outgoing in published:
        assert record_size(outgoing.key, outgoing.value, outgoing.headers) <= limit
        assert aiokafka_size(outgoing) <= limit
        if outgoing.channel is Channel.DEAD_LETTER:
            check_dead_letter(outgoing)
            check_what_is_left(read, outgoing)
        elif outgoing.value is not None:
            verdict(outgoing)
            post = getattr(outcome, "post", None)
            assert isinstance(post, PostRef)
            replaced = header(outgoing, "key_replaced") == "true"
            assert outgoing.key == (post.id.encode() if replaced or read.key is None else read.key)


def aiokafka_size(outgoing: Outgoing) -> int:
    headers: list[tuple[str, bytes | None]] = list(outgoing.headers)
    return int(DefaultRecordBatchBuilder.estimate_size_in_bytes(outgoing.key, outgoing.value, headers))


def check_what_is_left(read: Record, letter: Outgoing) -> None:
    """A dead letter holds the original, or says what is missing and how to know it again."""
    if header(letter, "truncated"):
        assert read.value is not None
        assert letter.value is not None
        assert read.value.startswith(letter.value)
        assert header(letter, "original_size") == str(len(read.value))
        assert header(letter, "original_sha256") == hashlib.sha256(read.value).hexdigest()
    else:
        assert letter.value == (read.value or b"")
    assert (header(letter, "tombstone") == "true") is (read.value is None)
    if header(letter, "key_truncated"):
        assert read.key is not None
        assert letter.key is None
        assert header(letter, "key_sha256") == hashlib.sha256(read.key).hexdigest()
    else:
        assert letter.key == read.key
    kept = [(name.removeprefix("original."), v) for name, v in letter.headers if name.startswith("original.")]
    whole = tuple(kept) == tuple((name, value or b"") for name, value in read.headers)
    assert whole is (header(letter, "headers_truncated") is None)


def test_a_large_value_is_cut_no_further_than_it_must() -> None:
    (letter,) = encoder(dead_letter=SMALLEST)(record(HUGE), Rejected(Reason.RECORD_TOO_LARGE, ""))
    assert letter.key == b"key"
    assert letter.value is not None
    assert SMALLEST - record_size(letter.key, letter.value, letter.headers) == 0
    assert len(letter.value) > SMALLEST * 0.9


def test_headers_with_null_values_are_read_as_empty() -> None:
    headers: tuple[tuple[str, bytes], ...] = (("traceparent", None), ("cookie", None))  # type: ignore[assignment]
    for outgoing in encoder()(record(headers=headers), Rejected(Reason.SCHEMA, "", POST)):
        assert header(outgoing, "traceparent") == ""


def test_verdicts_of_one_record_are_equal_byte_for_byte() -> None:
    assert encoder()(record(), SCORED) == encoder()(record(), SCORED)
    assert json.loads(encoder()(record(), SCORED)[0].value or b"")["scores"]["hate"] == 0.12300000339746475
