"""Two worlds with the same doors: the simulation's broker, and a real Kafka behind the worker's own clients."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from aiokafka import AIOKafkaProducer

from tests.broker.conftest import Names
from tests.harness.topics import create_topic, read_all
from tests.simulation.broker import Broker
from tests.simulation.client import Faults, MemorySink, MemorySource
from worker.core.ports import Rebalance, Sink, Source
from worker.core.retry import Backoff
from worker.core.types import Channel, Headers, Partition, Record
from worker.kafka.cluster import TopicFacts
from worker.kafka.consumer import KafkaSource
from worker.kafka.producer import KafkaSink, Outputs

PARTITIONS = 2


class Stored(NamedTuple):
    """A record of an output topic."""

    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Leaving(Source, Protocol):
    """A source that can go."""

    async def leave(self) -> None: ...


class World(Protocol):
    """What the contract's tests need of either."""

    async def begin(self) -> None: ...

    async def end(self) -> None: ...

    async def append(self, partition: int, *values: bytes | None, key: bytes | None = b"key") -> None:
        """Write to the input topic."""

    async def member(self, rebalance: Rebalance) -> Leaving:
        """A source of the one group, joined."""

    async def sink(self) -> Sink: ...

    async def stored(self, channel: Channel) -> list[Stored]:
        """All of an output topic: partition by partition, in order."""

    def partition(self, number: int) -> Partition: ...


class MemoryWorld:
    """Implements World on the simulation's broker."""

    def __init__(self) -> None:
        self._broker = Broker(PARTITIONS)
        self._faults = Faults(latency=0.002)
        self._sources: list[MemorySource] = []

    async def begin(self) -> None: ...

    async def end(self) -> None:
        for source in self._sources:
            await source.leave()

    async def append(self, partition: int, *values: bytes | None, key: bytes | None = b"key") -> None:
        for value in values:
            self._broker.append(
                Record(self.partition(partition), len(self._broker.log[self.partition(partition)]), -1, key, value)
            )

    async def member(self, rebalance: Rebalance) -> Leaving:
        source = MemorySource(self._broker, self._faults)
        self._sources.append(source)
        await source.join(rebalance)
        return source

    async def sink(self) -> Sink:
        return MemorySink(self._broker, self._faults)

    async def stored(self, channel: Channel) -> list[Stored]:
        return [
            Stored(partition.partition, outgoing.key, outgoing.value, outgoing.headers)
            for partition, outputs in self._broker.outputs[channel].items()
            for outgoing in outputs
        ]

    def partition(self, number: int) -> Partition:
        return self._broker.partitions[number]


class KafkaWorld:
    """Implements World on a real broker, through KafkaSource and KafkaSink."""

    def __init__(self, bootstrap: str, names: Names) -> None:
        self._bootstrap = bootstrap
        self._input = names("input")
        self._group = names("group")
        self._outputs = {channel: names(channel.value) for channel in Channel}
        self._sources: list[KafkaSource] = []
        self._sinks: list[KafkaSink] = []

    async def begin(self) -> None:
        for topic in (self._input, *self._outputs.values()):
            await create_topic(self._bootstrap, topic, PARTITIONS)
        self._producer = AIOKafkaProducer(bootstrap_servers=self._bootstrap)
        await self._producer.start()

    async def end(self) -> None:
        await self._producer.stop()
        for source in self._sources:
            await source.leave()
        for sink in self._sinks:
            await sink.stop()

    async def append(self, partition: int, *values: bytes | None, key: bytes | None = b"key") -> None:
        sent = [await self._producer.send(self._input, value, key, partition) for value in values]
        for future in sent:
            await future

    async def member(self, rebalance: Rebalance) -> Leaving:
        source = KafkaSource(
            self._input,
            connection={"bootstrap_servers": self._bootstrap},
            group={"group_id": self._group, "heartbeat_interval_ms": 200, "session_timeout_ms": 6000},
            allow_jump=False,
            membership=_Nobody(),
            backoff=Backoff(deadline=20.0),
        )
        self._sources.append(source)
        await source.join(rebalance)
        return source

    async def sink(self) -> Sink:
        facts = TopicFacts(PARTITIONS, 1024 * 1024)
        sink = KafkaSink(
            Outputs(
                connection={"bootstrap_servers": self._bootstrap},
                input_partitions=PARTITIONS,
                topics=self._outputs,
                facts=dict.fromkeys(Channel, facts),
                limits=dict.fromkeys(Channel, 1024 * 1024),
            )
        )
        self._sinks.append(sink)
        await sink.start()
        return sink

    async def stored(self, channel: Channel) -> list[Stored]:
        found = await read_all(self._bootstrap, self._outputs[channel])
        return [Stored(r.partition, r.key, r.value, tuple(r.headers)) for r in found]

    def partition(self, number: int) -> Partition:
        return Partition(self._input, number)


class _Nobody:
    """Is told about group membership, and does not care."""

    def joined(self) -> None: ...

    def assigned(self, partitions: int) -> None: ...

    def partition_stopped(self, partition: Partition) -> None: ...

    def offset_jumped(self) -> None: ...


class Watcher:
    """A Rebalance that writes down what it is told, in order, among the records that were read."""

    def __init__(self) -> None:
        self.told: list[tuple[str, tuple[Partition, ...]]] = []
        self.open: set[Partition] = set()

    def assigned(self, partitions: Sequence[Partition]) -> None:
        self.told.append(("assigned", tuple(partitions)))
        self.open |= set(partitions)

    async def revoked(self, partitions: Sequence[Partition]) -> None:
        self.told.append(("revoked", tuple(partitions)))
        self.open -= set(partitions)
