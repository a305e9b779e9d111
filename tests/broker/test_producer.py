"""The sink against a broker that stops answering."""

import asyncio
from collections.abc import Callable

import pytest
from aiokafka.errors import KafkaError

from tests.harness import Kafka
from tests.harness.topics import create_topic, read_all
from worker.core.types import Channel, Outgoing, Partition
from worker.kafka.cluster import TopicFacts
from worker.kafka.producer import KafkaSink, Outputs

pytestmark = pytest.mark.broker


async def test_a_replaced_producer_never_stores_what_was_unsent(
    fresh_kafka: Kafka, topics: Callable[[str], str]
) -> None:
    topic = topics("output")
    await create_topic(fresh_kafka.bootstrap, topic, 1)
    sink = KafkaSink(
        Outputs(
            connection={"bootstrap_servers": fresh_kafka.bootstrap, "request_timeout_ms": 5000},
            input_partitions=1,
            topics=dict.fromkeys(Channel, topic),
            facts=dict.fromkeys(Channel, TopicFacts(1, None)),
            limits=dict.fromkeys(Channel, 1_000_000),
        )
    )
    partition = Partition("posts", 0)

    async def send(value: bytes) -> "asyncio.Future[object]":
        return await sink.send(partition, Outgoing(Channel.OUTPUT, b"k", value))

    await sink.start()
    try:
        await (await send(b"before"))
        fresh_kafka.pause()
        await send(b"on its way")
        producer = sink._producer
        assert producer is not None
        while partition.partition not in {tp.partition for tp in producer._sender._muted_partitions}:  # noqa: ASYNC110 - aiokafka tells nobody
            await asyncio.sleep(0)  # until the first is in a request, so that the next one must wait behind it
        behind = await send(b"behind")
        sink.halt()
        resetting = asyncio.create_task(sink.reset(KafkaError("a failure")))
        fresh_kafka.resume()
        await resetting
        assert not behind.done()
        await (await send(b"after"))
    finally:
        await sink.stop()
    values = [record.value for record in await read_all(fresh_kafka.bootstrap, topic)]
    assert values in ([b"before", b"after"], [b"before", b"on its way", b"after"])
