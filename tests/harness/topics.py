"""What tests ask of a broker: create topics, write records, read everything back, look at a group's commits."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import TypeAlias

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code
from aiokafka.structs import OffsetAndMetadata, RecordMetadata

from tests.harness.kafka import LARGEST_RECORD_BYTES

Keyed: TypeAlias = tuple[bytes | None, bytes | None]
"""Key and value; a value of None is a tombstone."""

AT_ONCE = 10_000
"""Records on their way at a time: bounds memory."""
READ_SECONDS = 60.0
CREATE_SECONDS = 15.0
COORDINATOR_SECONDS = 15.0


async def create_topic(
    bootstrap: str,
    name: str,
    partitions: int = 4,
    config: Mapping[str, str] | None = None,
    replicas: Sequence[int] = (),
) -> None:
    """Create a topic and wait until all its partitions have a leader. Raises the broker's error.

    `replicas` are the brokers that each partition is kept by, its preferred leader first; without them any one.
    """
    placed = {number: list(replicas) for number in range(partitions)}
    counts = (-1, -1, placed) if replicas else (partitions, 1, None)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        response = await admin.create_topics([NewTopic(name, *counts, topic_configs=dict(config or {}))])
        for _topic, code, message in response.topic_errors:
            if code:
                raise for_code(code)(message)
        async with asyncio.timeout(CREATE_SECONDS):
            while not await _has_leaders(admin, name, partitions):  # noqa: ASYNC110 - the broker tells nobody
                await asyncio.sleep(0.02)
    finally:
        await admin.close()


async def limit_records(bootstrap: str, topic: str, size: int) -> None:
    """Lower or raise a topic's `max.message.bytes`."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        changed = ConfigResource(ConfigResourceType.TOPIC, topic, {"max.message.bytes": str(size)})
        for response in await admin.alter_configs([changed]):
            for code, message, *_ in response.resources:
                if code:
                    raise for_code(code)(message)
    finally:
        await admin.close()


async def produce(bootstrap: str, topic: str, records: Iterable[Keyed], partition: int | None = None) -> int:
    """Write records and wait for every acknowledgement; returns how many. Partitions follow the key unless named."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", linger_ms=5, max_request_size=LARGEST_RECORD_BYTES
    )
    await producer.start()
    try:
        count = 0
        remaining = iter(records)
        while chunk := list(itertools.islice(remaining, AT_ONCE)):
            await asyncio.gather(*[await _send(producer, topic, record, partition) for record in chunk])
            count += len(chunk)
        return count
    finally:
        await producer.stop()


async def read_all(bootstrap: str, topic: str, within: float = READ_SECONDS) -> list[ConsumerRecord[bytes, bytes]]:
    """Every committed record up to the end as of now, in offset order within a partition, partition by partition.

    Raises TimeoutError after `within` seconds.
    """
    found = [record async for record in each_record(bootstrap, topic, within)]
    return sorted(found, key=lambda record: record.partition)


async def each_record(
    bootstrap: str, topic: str, within: float = READ_SECONDS
) -> AsyncIterator[ConsumerRecord[bytes, bytes]]:
    """Like `read_all`, one by one (for topics larger than memory); partitions come mixed.

    Offsets have gaps (compaction, control records): it reads up to the end offset, it does not count.
    """
    consumer = _reader(bootstrap)
    await consumer.start()
    deadline = asyncio.get_running_loop().time() + within
    try:
        partitions = await _partitions(consumer, topic)
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        starts = await consumer.beginning_offsets(partitions)
        left = {partition for partition in partitions if starts[partition] < ends[partition]}
        for partition in partitions:
            consumer.seek(partition, starts[partition])
        while left:
            if asyncio.get_running_loop().time() > deadline:
                raise TimeoutError(f"topic {topic} was not read to its end in {within:.0f} s")
            for partition, records in (await consumer.getmany(timeout_ms=200)).items():
                for record in records:
                    if record.offset < ends[partition]:
                        yield record
            for partition in list(left):
                if await consumer.position(partition) >= ends[partition]:
                    left.discard(partition)
                    consumer.pause(partition)
    finally:
        await consumer.stop()


async def end_offsets(bootstrap: str, topic: str) -> dict[int, int]:
    """For each partition, the offset the next record will get (as a read_committed reader sees it)."""
    consumer = _reader(bootstrap)
    await consumer.start()
    try:
        ends = await consumer.end_offsets(await _partitions(consumer, topic))
        return {partition.partition: offset for partition, offset in ends.items()}
    finally:
        await consumer.stop()


async def committed_offsets(bootstrap: str, group: str, topic: str) -> dict[int, int]:
    """For each partition the group has committed, the next offset it will read; others are left out."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        async with asyncio.timeout(COORDINATOR_SECONDS):
            committed = await _commits(admin, group)
    finally:
        await admin.close()
    return {
        partition.partition: entry.offset
        for partition, entry in committed.items()
        if partition.topic == topic and entry.offset >= 0
    }


async def _commits(admin: AIOKafkaAdminClient, group: str) -> dict[TopicPartition, OffsetAndMetadata]:
    while True:
        try:
            found: dict[TopicPartition, OffsetAndMetadata] = await admin.list_consumer_group_offsets(group)
        except KafkaError as error:
            # A broker just started first has to load its groups.
            if not error.retriable:
                raise
            await asyncio.sleep(0.05)
        else:
            return found


async def _send(
    producer: AIOKafkaProducer, topic: str, record: Keyed, partition: int | None
) -> "asyncio.Future[RecordMetadata]":
    key, value = record
    sent: asyncio.Future[RecordMetadata]
    if key is not None or value is not None:
        sent = await producer.send(topic, key=key, value=value, partition=partition)
        return sent
    # Kafka allows a record of neither key nor value, and other clients write it; aiokafka's `send` refuses.
    batch = producer.create_batch()
    batch.append(key=None, value=None, timestamp=None)
    batch.close()
    sent = await producer.send_batch(batch, topic, partition=partition or 0)
    return sent


async def transactions_ended(bootstrap: str, topic: str, within: float = READ_SECONDS) -> None:
    """Wait until no transaction of `topic` is open: brokers write the marker that ends one after they answered.

    Raises TimeoutError after `within` seconds.
    """
    readers = [_reader(bootstrap, isolation) for isolation in ("read_committed", "read_uncommitted")]
    async with asyncio.timeout(within):
        try:
            for reader in readers:
                await reader.start()
            partitions = await _partitions(readers[0], topic)
            while len({tuple(sorted((await reader.end_offsets(partitions)).items())) for reader in readers}) > 1:  # noqa: ASYNC110 - brokers tell nobody
                await asyncio.sleep(0.05)
        finally:
            for reader in readers:
                await reader.stop()


def _reader(bootstrap: str, isolation: str = "read_committed") -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level=isolation,
        max_partition_fetch_bytes=LARGEST_RECORD_BYTES,
    )


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> Sequence[TopicPartition]:
    found = await consumer._client.fetch_all_metadata()
    numbers = found.partitions_for_topic(topic)
    if not numbers:
        raise LookupError(f"The broker has no topic {topic}")
    return [TopicPartition(topic, number) for number in sorted(numbers)]


async def _has_leaders(admin: AIOKafkaAdminClient, topic: str, partitions: int) -> bool:
    [description] = await admin.describe_topics([topic])
    leaders = [entry["leader"] for entry in description["partitions"]]
    return len(leaders) == partitions and all(leader >= 0 for leader in leaders)


async def commit(bootstrap: str, group: str, topic: str, partition: int, offset: int) -> None:
    """Commit one offset of a group that has no members."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, partition)])
        await consumer.commit({TopicPartition(topic, partition): offset})
    finally:
        await consumer.stop()
