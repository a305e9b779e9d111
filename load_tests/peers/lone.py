"""How long a record takes from its producer to a consumer, with nothing in between: what no worker can avoid."""

import statistics
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.harness.topics import create_topic

RECORDS = 50


async def round_trip_ms(bootstrap: str, topic: str, value: bytes) -> float:
    """Median milliseconds, one record after the other, on a topic made for it."""
    await create_topic(bootstrap, topic, 1)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False)
    took = []
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer, consumer:
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.seek_to_beginning()
        for _ in range(RECORDS):
            begun = time.perf_counter()
            await producer.send(topic, value, partition=0)
            await consumer.getone()
            took.append(time.perf_counter() - begun)
    return statistics.median(took) * 1000
