"""An in-memory Kafka: an input topic, a consumer group with eager rebalances, two output topics, and a watchdog.

Every commit and every stored output is checked against the worker's promises the moment it happens.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from random import Random
from typing import Protocol

from worker.core.errors import Transient
from worker.core.types import Channel, Outgoing, Partition, Record


class Member(Protocol):
    """What the group asks of a member."""

    async def revoke(self) -> None:
        """Give up every partition."""

    def accept(self, generation: int, partitions: Sequence[Partition]) -> None:
        """Read these partitions."""


class Broker:
    """Logs, commits and one group. `violations` tells which promises were broken, in words."""

    def __init__(self, partitions: int, *, chance: Random | None = None, rebalance_timeout: float = 60.0) -> None:
        self.partitions = tuple(Partition("posts", n) for n in range(partitions))
        self.log: dict[Partition, list[Record]] = {partition: [] for partition in self.partitions}
        self.outputs: dict[Channel, dict[Partition, list[Outgoing]]] = {
            channel: {partition: [] for partition in self.partitions} for channel in Channel
        }
        self.committed: dict[Partition, int] = {}
        self.violations: list[str] = []
        self.generation = 0
        self.arrived = asyncio.Event()
        self._stored: dict[tuple[Partition, int], set[Channel]] = defaultdict(set)
        self._newest: dict[Partition, int] = {}
        self._members: list[Member] = []
        self._generations: dict[Member, int] = {}
        self._chance = chance or Random(0)
        self._rebalance_timeout = rebalance_timeout
        self._rebalancing: asyncio.Task[None] | None = None
        self._changed = False

    # Topics

    def append(self, record: Record) -> None:
        self.log[record.partition].append(record)
        self.arrived.set()
        self.arrived.clear()

    def store(self, channel: Channel, partition: Partition, outgoing: Outgoing) -> None:
        self.outputs[channel][partition].append(outgoing)
        found = dict(outgoing.headers).get("offset")
        if found is None or channel is not Channel.OUTPUT:
            if found is not None:
                self._stored[partition, int(found)].add(channel)
            return
        offset = int(found)
        first = Channel.OUTPUT not in self._stored[partition, offset]
        self._stored[partition, offset].add(channel)
        if first and offset < self._newest.get(partition, -1):
            self.violations.append(f"{partition}: offset {offset} came out after {self._newest[partition]}")
        self._newest[partition] = max(offset, self._newest.get(partition, -1))

    def finished(self, record: Record) -> bool:
        """Whether all outputs of a record are stored."""
        wanted = set(Channel) if record.value == b"bad" else {Channel.OUTPUT}
        return wanted <= self._stored[record.partition, record.offset]

    # Commits

    def commit(self, member: Member, offsets: Mapping[Partition, int]) -> None:
        """Raises Transient where the member's generation is over."""
        if member not in self._members or self._generations.get(member) != self.generation:
            raise Transient("another generation")
        for partition, offset in offsets.items():
            lost = [r.offset for r in self.log[partition] if r.offset < offset and not self.finished(r)]
            if lost:
                self.violations.append(f"{partition}: committed {offset} before the outputs of {lost}")
            if offset < self.committed.get(partition, 0):
                self.violations.append(f"{partition}: the commit went back to {offset}")
        self.committed |= offsets

    def caught_up(self) -> bool:
        """Whether every record is committed."""
        return all(
            self.committed.get(partition, 0) == records[-1].offset + 1
            for partition, records in self.log.items()
            if records
        )

    # Group

    def join(self, member: Member) -> None:
        if member not in self._members:
            self._members.append(member)
            self.change()

    def leave(self, member: Member) -> None:
        """Also what happens to a member that sends no heartbeats: it is not asked."""
        if member in self._members:
            self._members.remove(member)
            self.change()

    def change(self) -> None:
        """Rebalance; once more afterwards where one is under way."""
        self._changed = True
        if self._rebalancing is None or self._rebalancing.done():
            self._rebalancing = asyncio.ensure_future(self._rebalance())

    async def _rebalance(self) -> None:
        while self._changed:
            self._changed = False
            asked = {member: asyncio.ensure_future(member.revoke()) for member in self._members}
            if asked:
                await asyncio.wait(asked.values(), timeout=self._rebalance_timeout)
            self.generation += 1
            joined = [member for member, task in asked.items() if task.done() and member in self._members]
            for task in asked.values():
                if not task.done():
                    task.add_done_callback(lambda _task: self.change())  # late: it joins again
                elif not task.cancelled() and (error := task.exception()) is not None:
                    self.violations.append(f"a revocation raised {error!r}")
            partitions = self._chance.sample(self.partitions, len(self.partitions))
            for n, member in enumerate(joined):
                self._generations[member] = self.generation
                member.accept(self.generation, sorted(partitions[n :: len(joined)]))
