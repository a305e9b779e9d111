"""How a partition is opened where outputs are transactional: fence, ask for the commit, seek; never after it was given up."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import TopicPartition

from tests.harness import Kafka
from tests.harness.topics import create_topic, produce
from worker.core.retry import Backoff
from worker.core.types import Partition, Record
from worker.kafka.consumer import KafkaSource

pytestmark = pytest.mark.broker

Unique = Callable[[str], str]


class Recorder:
    """Fences and Membership that write down what is asked of them; `gate` holds `open` back."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.fencing = asyncio.Event()

    async def open(self, partitions: Collection[Partition]) -> None:
        del partitions
        self.calls.append("fence")
        self.fencing.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.calls.append("fence cancelled")
            raise

    async def close(self, partitions: Collection[Partition]) -> None:
        del partitions
        self.calls.append("close")

    def joined(self) -> None: ...

    def assigned(self, partitions: int) -> None: ...

    def partition_stopped(self, partition: Partition) -> None: ...

    def offset_jumped(self) -> None: ...

    # Rebalance

    async def revoked(self, partitions: Collection[Partition]) -> None:
        del partitions
        self.calls.append("revoked")


class Gates(Recorder):
    """The pipeline's side of it too."""

    def assigned(self, partitions: Any) -> None:
        if not isinstance(partitions, int):
            self.calls.append("open")


@asynccontextmanager
async def source(kafka: Kafka, topic: str, group: str, gates: Gates) -> AsyncIterator[KafkaSource]:
    made = KafkaSource(
        topic,
        connection={"bootstrap_servers": kafka.bootstrap},
        group={"group_id": group, "session_timeout_ms": 6000, "heartbeat_interval_ms": 200},
        allow_jump=False,
        membership=gates,
        backoff=Backoff(),
        fences=gates,
    )
    await made.join(gates)
    consumer = made.consumer
    committed, seek = consumer.committed, consumer.seek

    async def asked(tp: TopicPartition) -> int | None:
        gates.calls.append("committed")
        found: int | None = await committed(tp)
        return found

    def sought(tp: TopicPartition, offset: int) -> None:
        gates.calls.append("seek")
        seek(tp, offset)

    consumer.committed, consumer.seek = asked, sought
    try:
        yield made
    finally:
        await made.leave()


async def polled(made: KafkaSource, ends: Callable[[Sequence[Record]], bool]) -> None:
    while not ends(await made.poll(1)):
        pass


async def test_partition_is_fenced_before_its_commit_is_asked_for(kafka: Kafka, topics: Unique) -> None:
    await create_topic(kafka.bootstrap, topics("input"), 1)
    await produce(kafka.bootstrap, topics("input"), [(b"k", b"v")])
    gates = Gates()
    async with source(kafka, topics("input"), topics("group"), gates) as made, asyncio.timeout(60):
        await polled(made, bool)
    begun = gates.calls.index("fence")
    assert gates.calls[begun : begun + 5] == ["fence", "committed", "committed", "seek", "open"]


async def test_partition_given_up_meanwhile_is_not_fenced_any_more(kafka: Kafka, topics: Unique) -> None:
    await create_topic(kafka.bootstrap, topics("input"), 1)
    stalled, heir = Gates(), Gates()
    stalled.gate.clear()
    async with source(kafka, topics("input"), topics("group"), stalled) as one, asyncio.timeout(60):
        polling = asyncio.ensure_future(polled(one, lambda _: "fence cancelled" in stalled.calls))
        await stalled.fencing.wait()
        async with source(kafka, topics("input"), topics("group"), heir):
            await polling
    assert [call for call in stalled.calls if call in {"fence cancelled", "committed", "open"}] == ["fence cancelled"]
