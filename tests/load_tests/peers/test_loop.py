"""What a peer writes is matched with its input like the worker's verdicts."""

from aiokafka import ConsumerRecord

from load_tests.evidence import verdict_or_tombstone
from load_tests.history import Kind, Position
from load_tests.peers.loop import verdict


def record(topic: str, offset: int, value: bytes) -> "ConsumerRecord[bytes, bytes]":
    return ConsumerRecord(topic, 3, offset, 5, 0, b"key", value, None, 3, len(value), [])


def test_a_peers_verdict_names_its_source() -> None:
    value = verdict(record("posts", 17, b"{}"), "42", {"hate": 0.25})
    found = verdict_or_tombstone(record("verdicts", 4, value), "posts")
    assert (found.kind, found.source, found.timestamp_ms) == (Kind.VERDICT, Position(3, 17), 5)
    assert verdict_or_tombstone(record("verdicts", 4, value), "others").source is None
