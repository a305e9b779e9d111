"""What aiokafka cannot read, or reads badly."""

import asyncio
import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.util import calc_crc32c

from tests.broker.scene import made_up_posts, scene
from tests.harness import Kafka
from tests.harness.topics import create_topic, produce, read_all
from worker.core.retry import Backoff
from worker.core.types import Partition
from worker.kafka.consumer import KafkaSource

pytestmark = pytest.mark.broker

PLACE = b"XXBADXX"
NO_UTF8 = b"XX\xff\xfe\xffXX"
CRC_AT, CRC_FROM = 17, 21


@pytest.fixture
def _raw_header_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process's producers write header names that are no UTF-8, as other clients can."""
    build = BatchBuilder._build

    def patched(self: BatchBuilder) -> bytearray:
        if self._buffer is None:
            raw = bytearray(build(self))
            while (at := raw.find(PLACE)) >= 0:
                raw[at : at + len(PLACE)] = NO_UTF8
            raw[CRC_AT:CRC_FROM] = struct.pack(">I", calc_crc32c(bytes(raw[CRC_FROM:])))
            self._buffer = raw
        built: bytearray = build(self)
        return built

    monkeypatch.setattr(BatchBuilder, "_build", patched)


@pytest.mark.usefixtures("_raw_header_names")
async def test_a_header_name_that_is_no_utf8_stops_nothing(
    kafka: Kafka, topics: Callable[[str], str], tmp_path: Path
) -> None:
    async with scene(kafka, topics, tmp_path, partitions=1) as stage:
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, linger_ms=50)
        await producer.start()
        sent = [
            await producer.send(
                stage.names.input,
                json.dumps({"id": f"p{number}", "text": "hello"} if number != 2 else ["no post"]).encode(),
                key=b"k",
                headers=[(PLACE.decode(), b"v")] if number in {1, 2} else [],
            )
            for number in range(5)
        ]
        await asyncio.gather(*sent)
        await producer.stop()
        worker = stage.worker()
        await stage.until_done(worker)
        verdicts = await read_all(kafka.bootstrap, stage.names.output)
        (letter,) = await read_all(kafka.bootstrap, stage.names.dead_letter)
    assert [json.loads(verdict.value or b"")["post_id"] for verdict in verdicts] == ["p0", "p1", "p3", "p4"]
    assert ("original.XX\\xff\\xfe\\xffXX", b"v") in letter.headers


class _Silent:
    """Implements Membership and Rebalance."""

    def joined(self) -> None: ...
    def assigned(self, partitions: object) -> None: ...
    def partition_stopped(self, partition: Partition) -> None: ...
    def offset_jumped(self) -> None: ...
    async def revoked(self, partitions: object) -> None: ...


async def test_an_unreadable_batch_costs_no_record_of_another_partition(
    kafka: Kafka, topics: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = topics("input")
    await create_topic(kafka.bootstrap, topic, 2)
    for partition in (0, 1):
        await produce(kafka.bootstrap, topic, made_up_posts(50), partition)
    unpack = PartitionRecords._unpack_records
    faults = iter(range(3))

    def fails_at_first(self: PartitionRecords) -> Iterator[object]:
        if self._tp.partition == 1 and next(faults, None) is not None:
            raise KafkaError("unreadable")
        yield from unpack(self)

    monkeypatch.setattr(PartitionRecords, "_unpack_records", fails_at_first)
    source = KafkaSource(
        topic,
        connection={"bootstrap_servers": kafka.bootstrap},
        group={"group_id": topics("group")},
        allow_jump=False,
        membership=_Silent(),
        backoff=Backoff(),
    )
    seen: list[tuple[int, int]] = []
    await source.join(_Silent())
    try:
        async with asyncio.timeout(30):
            while len(set(seen)) < 100:
                seen += [(record.partition.partition, record.offset) for record in await source.poll(500)]
    finally:
        await source.leave()
    assert sorted(seen) == [(partition, offset) for partition in (0, 1) for offset in range(50)]
    assert next(faults, None) is None
