"""Writes fuzzed records in every codec, and looks at what the worker made of each."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from typing import TypeAlias

import orjson
from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.structs import RecordMetadata

from load_tests import evidence
from load_tests.fuzz import Fuzzed
from load_tests.history import Kind, Output, Position
from load_tests.watch import Names
from tests.harness.kafka import LARGEST_RECORD_BYTES
from tests.harness.topics import each_record
from worker.wire.schemas import validator

CODECS = (None, "gzip", "lz4", "snappy", "zstd")
TOPIC_CONFIG = {
    "message.timestamp.after.max.ms": str(2**63 - 1),
    "message.timestamp.before.max.ms": str(2**63 - 1),
    "retention.ms": "-1",
    "max.message.bytes": str(LARGEST_RECORD_BYTES),
}
"""What a topic needs for records of 1970 and 2100 to be taken and kept."""
_AT_ONCE = 100

Sent: TypeAlias = "asyncio.Future[RecordMetadata]"


async def write(bootstrap: str, topic: str, records: Iterable[Fuzzed], partitions: int) -> dict[Position, Fuzzed]:
    """Write them in batches of every codec; where each one is."""
    written: dict[Position, Fuzzed] = {}
    async with AsyncExitStack() as stack:
        producers = [
            await stack.enter_async_context(
                AIOKafkaProducer(
                    bootstrap_servers=bootstrap,
                    compression_type=codec,
                    linger_ms=5,
                    max_request_size=LARGEST_RECORD_BYTES,
                )
            )
            for codec in CODECS
        ]
        sent = []
        for number, record in enumerate(records):
            producer = producers[number // _AT_ONCE % len(producers)]
            future = await _send(producer, topic, record, number % partitions)
            sent.append((record, future))
        for record, future in sent:
            stored = await future
            written[Position(stored.partition, stored.offset)] = record
    return written


async def _send(producer: AIOKafkaProducer, topic: str, record: Fuzzed, partition: int) -> Sent:
    if record.key is not None or record.value is not None:
        sent: Sent = await producer.send(
            topic,
            record.value,
            key=record.key,
            headers=list(record.headers),
            timestamp_ms=record.timestamp_ms,
            partition=partition,
        )
        return sent
    batch = producer.create_batch()  # aiokafka's `send` refuses what Kafka allows
    batch.append(key=None, value=None, timestamp=record.timestamp_ms)
    batch.close()
    sent = await producer.send_batch(batch, topic, partition=partition)
    return sent  # noqa: RET504 - aiokafka has no types


async def judge(bootstrap: str, names: Names, written: dict[Position, Fuzzed]) -> tuple[list[str], Counter[str]]:
    """What is wrong, each with its record; and how many ended how."""
    faults: list[str] = []
    ended: dict[Position, list[str]] = {position: [] for position in written}
    schema = validator("verdict.v1")

    def note(output: Output, faulty: str | None) -> None:
        if output.source is None or output.source not in ended:
            faults.append(f"an output names no input: {output}")
            return
        ended[output.source].append(output.kind.value)
        if faulty:
            faults.append(f"{faulty}: {output.source} {written[output.source]!r:.300}")

    async for record in each_record(bootstrap, names.output, evidence.READ_SECONDS):
        output = evidence.verdict_or_tombstone(record, names.input)
        good = output.kind is Kind.TOMBSTONE or schema.is_valid(orjson.loads(record.value))
        note(output, None if good else "a verdict breaks its schema")
    async for record in each_record(bootstrap, names.dead_letter, evidence.READ_SECONDS):
        output = evidence.dead_letter(record, names.input)
        source = written.get(output.source) if output.source else None
        note(output, _unfaithful(record, source) if source else None)
    for position, record in written.items():
        if (got := sorted(ended[position])) not in _allowed(record):
            faults.append(f"ended as {got}: {position} {record!r:.300}")
    return faults, Counter("+".join(sorted(got)) for got in ended.values())


def _allowed(record: Fuzzed) -> Sequence[list[str]]:
    if record.scored:
        return [[Kind.VERDICT.value]]
    if record.value is None:
        return [[Kind.DEAD_LETTER.value]] if record.key is None else [[Kind.TOMBSTONE.value]]
    return [[Kind.VERDICT.value], [Kind.DEAD_LETTER.value], [Kind.DEAD_LETTER.value, Kind.VERDICT.value]]


def _unfaithful(letter: "ConsumerRecord[bytes, bytes]", source: Fuzzed) -> str | None:
    """What of the original a dead letter has not kept; what it leaves out for its size it must say, with a checksum."""
    headers = dict(letter.headers)
    value, key = source.value or b"", source.key
    if headers.get("truncated"):
        kept = (
            value.startswith(letter.value or b"")
            and headers["original_sha256"] == hashlib.sha256(value).hexdigest().encode()
        )
    else:
        kept = (letter.value or b"") == value and (source.value is not None or headers.get("tombstone") == b"true")
    if not kept:
        return "a dead letter has another value"
    if headers.get("key_truncated"):
        return None if headers["key_sha256"] == hashlib.sha256(key or b"").hexdigest().encode() else "another key"
    return None if letter.key == key else "a dead letter has another key"
