"""Source and sink on the in-memory broker: the latencies, races and faults of a real client, in any dose."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, TypeAlias

from tests.simulation.broker import Broker
from worker.core.errors import Transient
from worker.core.ports import Rebalance, Sink, Source
from worker.core.types import Channel, Outgoing, Partition, Record

Target: TypeAlias = tuple[Channel, Partition]


@dataclass
class Faults:
    """Probabilities for each call, and outages that are switched on and off. Latencies in seconds."""

    latency: float = 0.05
    commit_lost: float = 0.0
    commit_answer_lost: float = 0.0
    send_raises: float = 0.0
    send_waits: float = 0.0
    output_lost: float = 0.0
    acknowledgement_lost: float = 0.0
    reset_raises: float = 0.0
    outage: bool = False


class MemorySource(Source):
    """A group member: partitions open at their commits, after the rebalance, from within `poll`."""

    def __init__(self, broker: Broker, faults: Faults | None = None, chance: Random | None = None) -> None:
        self.dead = False
        self._broker = broker
        self._faults = faults or Faults()
        self._chance = chance or Random(0)
        self._rebalance: Rebalance | None = None
        self._assigned: tuple[Partition, ...] = ()
        self._open: dict[Partition, int] = {}
        self._served: dict[Partition, int] = {}
        self._polls = 0
        self._epoch = 0
        self._revoking = asyncio.Lock()

    async def join(self, rebalance: Rebalance) -> None:
        self._rebalance = rebalance
        self._broker.join(self)

    async def leave(self) -> None:
        self._broker.leave(self)

    async def revoke(self) -> None:
        self._epoch += 1
        revoked, self._assigned, self._open = self._assigned, (), {}
        async with self._revoking:  # a client answers the group only after its listener has returned
            if self._rebalance is not None and not self.dead:
                await self._rebalance.revoked(revoked)

    def accept(self, generation: int, partitions: Sequence[Partition]) -> None:
        del generation
        self._epoch += 1
        self._assigned, self._open = tuple(partitions), {}

    async def poll(self, max_records: int) -> Sequence[Record]:
        epoch = self._epoch
        self._polls += 1
        fresh = [partition for partition in self._assigned if partition not in self._open]
        await self._travel()
        if epoch != self._epoch or self._rebalance is None:
            return []
        if fresh:
            self._open |= {partition: self._broker.committed.get(partition, 0) for partition in fresh}
            self._rebalance.assigned(fresh)
        if not max_records:
            await asyncio.sleep(0.1)
            return []
        if not self._fetched():
            try:
                async with asyncio.timeout(1.0):
                    await self._broker.arrived.wait()
            except TimeoutError:
                return []
            if epoch != self._epoch:
                return []
        taken = self._fetched()[: self._chance.randint(1, max_records)] if self._faults.latency else self._fetched()
        taken = taken[:max_records]
        for record in taken:
            self._open[record.partition] = record.offset + 1
            self._served[record.partition] = self._polls
        return taken

    def _fetched(self) -> list[Record]:
        log = self._broker.log
        turns = sorted(self._open.items(), key=lambda item: self._served.get(item[0], 0))  # who waited longest is first
        return [record for p, position in turns for record in log[p] if record.offset >= position]

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        await self._travel()
        if self._faults.outage or self._chance.random() < self._faults.commit_lost:
            raise Transient("the commit was lost")
        self._broker.commit(self, offsets)
        await self._travel()
        if self._chance.random() < self._faults.commit_answer_lost:
            raise Transient("the answer to the commit was lost")

    async def rewind(self) -> None:
        self._open = {}

    async def _travel(self) -> None:
        await asyncio.sleep(self._chance.uniform(0, self._faults.latency))
        if self.dead:
            raise Transient("this process is dead")


@dataclass
class _OnItsWay:
    outgoing: Outgoing
    future: "asyncio.Future[None]"


class MemorySink(Sink):
    """A producer as aiokafka's is: after a failure it goes on with what came behind, unless it is halted.

    (A broker refuses a gap in sequence numbers, but not as the first of a producer id it does not know yet.)
    """

    def __init__(self, broker: Broker, faults: Faults | None = None, chance: Random | None = None) -> None:
        self.dead = False
        self._broker = broker
        self._faults = faults or Faults()
        self._chance = chance or Random(0)
        self._queues: dict[Target, deque[_OnItsWay]] = defaultdict(deque)
        self._broken: set[Target] = set()
        self._halted = False
        self._epoch = 0

    async def send(self, partition: Partition, outgoing: Outgoing) -> "asyncio.Future[Any]":
        loop = asyncio.get_running_loop()
        if self._chance.random() < self._faults.send_waits:
            await asyncio.sleep(self._chance.uniform(0, 2.0))
        if self.dead or self._faults.outage or self._chance.random() < self._faults.send_raises:
            raise Transient("no connection")
        target = (outgoing.channel, partition)
        future: asyncio.Future[None] = loop.create_future()
        queue = self._queues[target]
        queue.append(_OnItsWay(outgoing, future))
        if len(queue) == 1:
            self._later(target)
        return future

    def halt(self) -> None:
        self._halted = True

    async def reset(self, error: BaseException) -> None:
        del error
        self._abandon()
        await asyncio.sleep(self._chance.uniform(0, self._faults.latency))
        if self._faults.outage or self._chance.random() < self._faults.reset_raises:
            raise Transient("still no connection")

    async def stop(self) -> None:
        """Flush: all that was handed over is stored."""
        for (channel, partition), queue in self._queues.items():
            self._store_all(channel, partition, [sent.outgoing for sent in queue])
            queue.clear()
        self._abandon()

    def crash(self) -> None:
        """Die: nobody hears of what is on its way, and some of it arrives later."""
        self.dead = True
        self._epoch += 1
        for (channel, partition), queue in self._queues.items():
            arriving = [sent.outgoing for sent in queue][: self._chance.randint(0, len(queue))]
            delay = self._chance.uniform(0, 5.0)
            asyncio.get_running_loop().call_later(delay, self._store_all, channel, partition, arriving)
        self._queues.clear()

    def _store_all(self, channel: Channel, partition: Partition, outputs: Sequence[Outgoing]) -> None:
        for outgoing in outputs:
            self._broker.store(channel, partition, outgoing)

    def _abandon(self) -> None:
        self._epoch += 1
        for (channel, partition), queue in self._queues.items():
            if (channel, partition) not in self._broken:  # what was on its way elsewhere may have arrived
                stored = [sent.outgoing for sent in queue][: self._chance.randint(0, len(queue))]
                self._store_all(channel, partition, stored)
            _fail(queue)
        self._queues.clear()
        self._broken.clear()
        self._halted = False

    def _later(self, target: Target) -> None:
        delay = self._chance.uniform(0, self._faults.latency)
        asyncio.get_running_loop().call_later(delay, self._deliver, target, self._epoch)

    def _deliver(self, target: Target, epoch: int) -> None:
        if epoch != self._epoch or self._halted:
            return
        queue = self._queues[target]
        chance = self._chance.random()
        lost = chance < self._faults.output_lost
        unheard = not lost and chance < self._faults.output_lost + self._faults.acknowledgement_lost
        batch = [queue.popleft() for _ in range(self._chance.randint(1, len(queue)))]
        for sent in batch:
            if not lost:
                self._broker.store(*target, sent.outgoing)
            if not (lost or unheard) and not sent.future.done():
                sent.future.set_result(None)
        if lost or unheard:
            self._broken.add(target)
            _fail(batch)
        if queue:
            self._later(target)


def _fail(sent: Sequence[_OnItsWay] | deque[_OnItsWay]) -> None:
    for each in sent:
        if not each.future.done():
            each.future.set_exception(Transient("lost"))
