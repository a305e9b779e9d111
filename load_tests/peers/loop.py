"""What one writes first: read a batch in the order of arrival, score it, write, commit."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

BATCH = 32
Scores: TypeAlias = Mapping[str, float]
Score: TypeAlias = Callable[[list[str]], Awaitable[Sequence[Scores]]]


def verdict(record: Any, post_id: str, scores: Scores) -> bytes:
    """Enough to match it with its input, and to see that the model is the same."""
    source = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    event = f"{record.topic}.{record.partition}.{record.offset}"
    return orjson.dumps({"event_id": event, "post_id": post_id, "source": source, "scores": scores})


async def run(score: Score, batch: int = BATCH) -> None:
    """Until killed."""
    servers, topic = os.environ["MODERATION_BOOTSTRAP_SERVERS"], os.environ["MODERATION_OUTPUT_TOPIC"]
    consumer = AIOKafkaConsumer(
        os.environ["MODERATION_INPUT_TOPIC"],
        bootstrap_servers=servers,
        group_id=os.environ["MODERATION_GROUP_ID"],
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True)
    async with consumer, producer:
        while True:
            fetched = await consumer.getmany(timeout_ms=500, max_records=batch)
            records = [record for found in fetched.values() for record in found]
            if not records:
                continue
            posts = [orjson.loads(record.value) for record in records]
            sent = []
            scored = await score([post["text"] for post in posts])
            for record, post, scores in zip(records, posts, scored, strict=True):
                sent.append(await producer.send(topic, verdict(record, post["id"], scores), key=record.key))
            await asyncio.gather(*sent)
            await consumer.commit()
