import orjson
from aiokafka import ConsumerRecord

from load_tests.evidence import dead_letter, is_mark, verdict_or_tombstone
from load_tests.history import Kind, Position
from worker.core.errors import Reason, Rejected
from worker.core.policy import Policy, Threshold
from worker.core.types import Channel, Outgoing, Partition, PostRef, Record, Scored, Tombstone
from worker.redrive import marks
from worker.redrive.letters import Origin
from worker.wire.encode import Encoder, Model

RECORD = Record(Partition("posts", 2), 17, 1_000, b"key", b"value")
POST = PostRef("a", None, "0" * 64)
ENCODER = Encoder(
    policy=Policy("1", ("hate",), (Threshold(0.5),)),
    model=Model("m", "1", "0" * 64),
    worker_version="1",
    limits={Channel.OUTPUT: 1_000_000, Channel.DEAD_LETTER: 1_000_000},
)


def published(outgoing: Outgoing) -> ConsumerRecord[bytes, bytes]:
    """The record as a consumer of the output topic gets it: partition 1, offset 5."""
    return ConsumerRecord(
        topic="verdicts",
        partition=1,
        offset=5,
        timestamp=99,
        timestamp_type=1,
        key=outgoing.key,
        value=outgoing.value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=outgoing.headers,
    )


def test_a_verdict_names_its_source_and_decision() -> None:
    [outgoing] = ENCODER(RECORD, Scored(POST, (0.25,), 1))
    found = verdict_or_tombstone(published(outgoing), "posts")
    assert (found.kind, found.source, found.at, found.timestamp_ms) == (Kind.VERDICT, (2, 17), (1, 5), 99)
    [event, scores] = orjson.loads(found.decision)
    assert len(event) == 64
    assert scores == {"hate": 0.25}


def test_a_tombstone_names_its_source() -> None:
    [outgoing] = ENCODER(RECORD, Tombstone())
    found = verdict_or_tombstone(published(outgoing), "posts")
    assert (found.kind, found.source) == (Kind.TOMBSTONE, Position(2, 17))


def test_a_dead_letter_names_its_source_and_reason() -> None:
    letter, verdict = ENCODER(RECORD, Rejected(Reason.EMPTY_TEXT, "empty", POST))
    found = dead_letter(published(letter), "posts")
    assert (found.kind, found.source, found.reason) == (Kind.DEAD_LETTER, Position(2, 17), "empty_text")
    assert verdict_or_tombstone(published(verdict), "posts").source == Position(2, 17)


def test_a_mark_of_redrive_is_no_dead_letter() -> None:
    letter, _ = ENCODER(RECORD, Rejected(Reason.EMPTY_TEXT, "empty", POST))
    key, value, headers = marks.encode("posts", [Origin(2, 17, 1_000)])
    mark = Outgoing(Channel.DEAD_LETTER, key, value, headers)
    assert (is_mark(published(mark)), is_mark(published(letter))) == (True, False)


def test_outputs_of_another_topic_or_without_a_source_name_none() -> None:
    [outgoing] = ENCODER(RECORD, Scored(POST, (0.25,), 1))
    assert verdict_or_tombstone(published(outgoing), "other").source is None
    for value in (b"", b"[]", b"{}", b'{"source": 5}'):
        broken = Outgoing(Channel.OUTPUT, b"key", value)
        assert verdict_or_tombstone(published(broken), "posts").source is None
    assert dead_letter(published(Outgoing(Channel.DEAD_LETTER, None, b"")), "posts").source is None
    assert verdict_or_tombstone(published(Outgoing(Channel.OUTPUT, b"key", None)), "posts").source is None
