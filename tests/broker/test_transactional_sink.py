"""Who may publish for a partition, decided by the broker: stalls between assignment and initialisation, late initialisers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import ProducerFenced

from tests.harness import Kafka
from tests.harness.topics import create_topic, produce, read_all, transactions_ended
from worker.core.errors import Fatal, Transient
from worker.core.types import Channel, Outgoing, Partition
from worker.kafka import group_offsets
from worker.kafka.cluster import TopicFacts
from worker.kafka.producer import Outputs
from worker.kafka.transactions import TransactionalSink

pytestmark = pytest.mark.broker

group_offsets.install()  # commits are asked for as the worker does

Unique = Callable[[str], str]


@dataclass
class Stage:
    """Sinks of one group, of the same output topic."""

    bootstrap: str
    topic: str
    group: str
    one: Partition
    sinks: list[TransactionalSink] = field(default_factory=list)
    fenced: list[int] = field(default_factory=list)
    told: list[int] = field(default_factory=list)

    def sink(self, timeout: float = 60.0) -> TransactionalSink:
        outputs = Outputs(
            connection={"bootstrap_servers": self.bootstrap, "request_timeout_ms": 10_000},
            input_partitions=1,
            topics=dict.fromkeys(Channel, self.topic),
            facts=dict.fromkeys(Channel, TopicFacts(1, None)),
            limits=dict.fromkeys(Channel, 1_000_000),
        )
        number = len(self.sinks)
        made = TransactionalSink(
            outputs,
            group_id=self.group,
            timeout=timeout,
            fenced=lambda: self.fenced.append(number),
            committed=lambda _, offset: self.told.append(offset),
        )
        self.sinks.append(made)
        return made

    async def published(self) -> list[bytes | None]:
        """What a reader of committed records sees once no transaction is open."""
        await transactions_ended(self.bootstrap, self.topic)
        return [record.value for record in await read_all(self.bootstrap, self.topic)]

    async def committed(self) -> int | None:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, group_id=self.group, enable_auto_commit=False)
        await consumer.start()
        try:
            found: int | None = await consumer.committed(TopicPartition(*self.one))
            return found
        finally:
            await consumer.stop()


@pytest.fixture
async def stage(kafka: Kafka, topics: Unique) -> AsyncIterator[Stage]:
    for role in ("input", "output"):
        await create_topic(kafka.bootstrap, topics(role), 1)
    made = Stage(kafka.bootstrap, topics("output"), topics("group"), Partition(topics("input"), 0))
    yield made
    for sink in made.sinks:
        await sink.stop()


async def send(stage: Stage, sink: TransactionalSink, value: bytes) -> "asyncio.Future[object]":
    return await sink.send(stage.one, Outgoing(Channel.OUTPUT, b"k", value))


async def publish(stage: Stage, sink: TransactionalSink, value: bytes, offset: int) -> None:
    await (await send(stage, sink, value))
    await sink.commit(stage.one, offset)


async def test_output_and_offset_appear_together(stage: Stage) -> None:
    sink = stage.sink()
    await sink.open([stage.one])
    await (await send(stage, sink, b"a"))
    assert (await read_all(stage.bootstrap, stage.topic), await stage.committed()) == ([], None)
    await sink.commit(stage.one, 7)
    assert (await stage.published(), await stage.committed(), stage.told) == ([b"a"], 7, [7])


async def test_commit_of_a_transaction_that_is_not_over_is_waited_for(stage: Stage) -> None:
    sink = stage.sink()
    await sink.open([stage.one])
    await (await send(stage, sink, b"a"))
    producer = sink._producer(stage.one)
    await producer.send_offsets_to_transaction({TopicPartition(*stage.one): 7}, stage.group)
    asking = asyncio.ensure_future(stage.committed())
    await asyncio.wait([asking], timeout=1)
    assert not asking.done()
    await producer.commit_transaction()
    assert await asking == 7


async def test_former_owner_publishes_nothing_once_the_partition_is_opened(stage: Stage) -> None:
    zombie, heir = stage.sink(), stage.sink()
    await zombie.open([stage.one])
    await publish(stage, zombie, b"before", 1)
    await (await send(stage, zombie, b"zombie"))  # stored, in a transaction that is open
    await heir.open([stage.one])
    with pytest.raises(Transient):
        await zombie.commit(stage.one, 2)
    await publish(stage, heir, b"after", 2)
    assert stage.fenced == [0]
    assert await stage.published() == [b"before", b"after"]
    assert await stage.committed() == 2


async def test_rightful_owner_fenced_by_a_late_initialiser_begins_anew_without_repeat(stage: Stage) -> None:
    owner, late = stage.sink(), stage.sink()
    await owner.open([stage.one])
    await (await send(stage, owner, b"first"))
    await late.open([stage.one])  # it was assigned the partition once, and stalled before this call
    with pytest.raises(Transient) as failed:
        await owner.commit(stage.one, 1)
    assert stage.fenced == [0]
    await owner.reset(failed.value)
    await owner.open([stage.one])
    assert await stage.committed() is None  # so it reads the record again
    await publish(stage, owner, b"first", 1)
    with pytest.raises((Transient, ProducerFenced)):  # at the send or at the commit, as aiokafka notices
        await publish(stage, late, b"late", 1)
    assert await stage.published() == [b"first"]


async def test_partition_given_up_lets_readers_pass_at_once(stage: Stage) -> None:
    sink = stage.sink(timeout=600)
    await sink.open([stage.one])
    await (await send(stage, sink, b"uncommitted"))
    await sink.close([stage.one])
    await produce(stage.bootstrap, stage.topic, [(b"k", b"behind it")])
    assert await stage.published() == [b"behind it"]
    with pytest.raises(Transient):
        await send(stage, sink, b"too late")


async def test_timeout_that_brokers_do_not_allow_names_the_setting(stage: Stage) -> None:
    with pytest.raises(Fatal, match=r"MODERATION_TRANSACTION_TIMEOUT_SECONDS=1000: more than the brokers'"):
        await stage.sink(timeout=1000).open([stage.one])


async def test_broker_that_names_none_yet_is_asked_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = stage.sink()
    update = ClusterMetadata.update_metadata

    def empty(cluster: ClusterMetadata, metadata: Any) -> None:
        metadata.brokers = []
        update(cluster, metadata)

    with monkeypatch.context() as patched:
        patched.setattr(ClusterMetadata, "update_metadata", empty)
        with pytest.raises(Transient, match="transactional id"):
            await sink.open([stage.one])
    await sink.open([stage.one])
    await publish(stage, sink, b"a", 7)
    assert await stage.published() == [b"a"]
