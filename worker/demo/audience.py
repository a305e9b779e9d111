"""Feeds the sample posts to the input topic and reads back what the worker made of them."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, Self

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from worker.demo.languages import samples_for
from worker.demo.samples import Deleted, key_of, shown, value_of
from worker.demo.screen import Row, Screen, scores_text
from worker.settings import Settings
from worker.wiring import connection

CORRELATION = "correlation_id"
"""The worker passes this header on: by it the demo knows its own posts, also in topics that hold others."""
DRAIN_SECONDS = 10.0


class Audience:
    """Sends posts and shows their verdicts. Use `open`."""

    def __init__(
        self, settings: Settings, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer, screen: Screen
    ) -> None:
        self._settings = settings
        self._producer = producer
        self._consumer = consumer
        self._screen = screen
        self._samples = samples_for(settings.bundle)
        self._run = uuid.uuid4().hex[:8]
        self._sent: dict[bytes, tuple[str, str]] = {}  # by correlation id: the post's id and what to show of it
        self._waiting: set[bytes] = set()
        self._answered = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, screen: Screen) -> AsyncIterator[Self]:
        """Connect, and read both output topics from their present ends. Raises KafkaError."""
        producer = AIOKafkaProducer(**connection(settings))
        consumer = AIOKafkaConsumer(**connection(settings), enable_auto_commit=False)
        try:
            await producer.start()
            await consumer.start()
            topics = (settings.input_topic, settings.output_topic, settings.dead_letter_topic)
            metadata = await consumer._client.fetch_all_metadata()  # noqa: SLF001 - partitions_for_topic() knows subscribed topics only
            partitions = [
                TopicPartition(topic, number)
                for topic in topics
                for number in sorted(metadata.partitions_for_topic(topic) or ())
            ]
            # Asked of the input topic too: an answer says that a topic made a moment ago can be used.
            ends = await consumer.end_offsets(partitions)
            consumer.assign([partition for partition in partitions if partition.topic != settings.input_topic])
            for partition in consumer.assignment():
                consumer.seek(partition, ends[partition])
            yield cls(settings, producer, consumer, screen)
        finally:
            await producer.stop()
            await consumer.stop()

    @property
    def answered(self) -> int:
        """Posts with a verdict, a dead letter or a forwarded tombstone."""
        return len(self._sent) - len(self._waiting)

    async def feed(self, posts: int | None, rate: float) -> None:
        """Send posts, `rate` a second, without end or until each of `posts` is answered. Raises KafkaError."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        for number in _numbers(posts):
            await asyncio.sleep(start + number / rate - loop.time())
            await self._send(number)
        while self._waiting:
            self._answered.clear()
            await self._answered.wait()

    async def watch(self) -> None:
        """Show answers as they come, without end."""
        while True:
            await self._read()

    async def drain(self) -> None:
        """Show what is stored by now and was not shown yet."""
        ends = await self._consumer.end_offsets(self._consumer.assignment())
        async with asyncio.timeout(DRAIN_SECONDS):
            while [tp for tp, end in ends.items() if await self._consumer.position(tp) < end]:
                await self._read()

    async def _send(self, number: int) -> None:
        sample = self._samples[number % len(self._samples)]
        identity = key_of(number - 1 if isinstance(sample, Deleted) else number)
        correlation = f"{self._run}-{number}".encode()
        self._sent[correlation] = (identity, shown(sample))
        self._waiting.add(correlation)
        await self._producer.send_and_wait(
            self._settings.input_topic,
            key=identity.encode(),
            value=value_of(sample, identity),
            headers=[(CORRELATION, correlation)],
        )

    async def _read(self) -> None:
        for records in (await self._consumer.getmany(timeout_ms=200)).values():
            for record in records:
                self._show(record)

    def _show(self, record: "ConsumerRecord[bytes, bytes]") -> None:
        headers = dict(record.headers)
        correlation = headers.get(CORRELATION, b"")
        if correlation not in self._sent:
            return
        identity, text = self._sent[correlation]
        if record.topic == self._settings.dead_letter_topic:
            self._screen.row(Row("dead letter", identity, headers["reason"].decode(), text))
        elif record.value is None:
            self._screen.row(Row("deleted", identity, "", text))
        else:
            verdict: dict[str, Any] = orjson.loads(record.value)
            about = scores_text(verdict["scores"]) or f"unscored: {verdict.get('reason')}"
            self._screen.row(Row(verdict["action"], identity, about, text), verdict["latency_ms"])
        self._waiting.discard(correlation)
        self._answered.set()


def _numbers(posts: int | None) -> Iterator[int]:
    return iter(count() if posts is None else range(posts))
