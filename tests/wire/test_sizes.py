from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import example, given
from hypothesis import strategies as st

from tests.wire.build import POST, encoder, header, record, unicode_text
from worker.core.errors import Reason, Rejected
from worker.core.types import Outgoing, Scored, Tombstone
from worker.wire.sizes import record_size

SMALLEST = 10_000
LONG_TRACE = (("baggage", b"x" * 9_500),)

blobs = st.none() | st.binary(max_size=300)
headers = st.lists(st.tuples(unicode_text, st.binary(max_size=200)), max_size=5)


@given(blobs, blobs, headers)
@example(None, None, [("é" * 1_000, b"")])
def test_a_record_is_never_thought_smaller_than_aiokafka_estimates(
    key: bytes | None, value: bytes | None, named: list[tuple[str, bytes]]
) -> None:
    estimate = DefaultRecordBatchBuilder.estimate_size_in_bytes(key, value, list(named))
    assert estimate <= record_size(key, value, tuple(named)) <= estimate + 100


def small(outcome: Scored | Tombstone | Rejected, value: bytes | None, key: bytes) -> Outgoing:
    return encoder(SMALLEST, SMALLEST)(record(value, key, LONG_TRACE), outcome)[0]


def test_a_verdict_gives_up_passed_headers_before_its_key() -> None:
    outgoing = small(Scored(POST, (0.1, 0.2), 1), b"{}", b"k" * 500)
    assert outgoing.key == b"k" * 500
    assert (header(outgoing, "baggage"), header(outgoing, "key_replaced")) == (None, None)


def test_a_verdict_gives_up_a_key_that_does_not_fit_for_the_post_id() -> None:
    outgoing = small(Scored(POST, (0.1, 0.2), 1), b"{}", b"k" * 9_500)
    assert outgoing.key == b"post-1"
    assert header(outgoing, "key_replaced") == "true"


def test_a_tombstone_gives_up_passed_headers_before_it_becomes_a_dead_letter() -> None:
    outgoing = small(Tombstone(), None, b"k" * 500)
    assert (outgoing.key, outgoing.value) == (b"k" * 500, None)
    assert header(outgoing, "baggage") is None


def test_a_dead_letter_gives_up_a_long_key_before_most_of_its_value() -> None:
    outgoing = small(Rejected(Reason.SCHEMA, "why"), b"v" * 20_000, b"k" * 6_000)
    assert outgoing.key is None
    assert outgoing.value is not None
    assert len(outgoing.value) > SMALLEST // 2
