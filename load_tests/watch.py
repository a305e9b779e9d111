"""What the broker says while a run goes on: how far the logs reach, what is committed, who holds which partition."""

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import KafkaError

from load_tests.history import Snapshot


@dataclass(frozen=True, slots=True)
class Names:
    """A run's topics, with their partitions, and its group."""

    input: str = "posts"
    output: str = "verdicts"
    dead_letter: str = "dead-letters"
    group: str = "load"
    partitions: int = 4
    dead_letter_partitions: int = 1

    def output_config(self) -> dict[str, str]:
        """The broker stamps outputs with its own clock, so that a rate is not what the worker claims."""
        return {"message.timestamp.type": "LogAppendTime"}


class Watch:
    """A view of one run's topics and group. An async context manager."""

    def __init__(self, bootstrap: str, names: Names) -> None:
        self._names = names
        self._admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        self._consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False)
        self._committed: dict[int, int] = {}

    async def __aenter__(self) -> Self:
        await self._admin.start()
        await self._consumer.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._consumer.stop()
        await self._admin.close()

    async def input_ends(self) -> dict[int, int]:
        return await self._ends(self._names.input, self._names.partitions)

    async def snapshot(self) -> Snapshot:
        """Commits first, then the ends of the logs: the order that makes a commit without its output show."""
        committed = await self.committed()
        outputs, dead_letters = await asyncio.gather(
            self._ends(self._names.output, self._names.partitions),
            self._ends(self._names.dead_letter, self._names.dead_letter_partitions),
        )
        return Snapshot(committed, outputs, dead_letters)

    async def committed(self) -> dict[int, int]:
        """For each partition of the input topic that the group has committed, the next offset it will read.

        The highest told so far: a coordinator that is loading tells of lower ones, or of none.
        """
        try:
            found = await self._admin.list_consumer_group_offsets(self._names.group)
        except KafkaError as error:
            if not error.retriable:
                raise
            found = {}
        for tp, told in found.items():
            if tp.topic == self._names.input and told.offset >= 0:
                self._committed[tp.partition] = max(told.offset, self._committed.get(tp.partition, 0))
        return dict(self._committed)

    async def members(self) -> list[tuple[str, frozenset[int]]]:
        """Client id and partitions of each member of the group; empty while the group rebalances.

        A killed worker is a member until its session times out.
        """
        [described] = await self._admin.describe_consumer_groups([self._names.group])
        groups = [group for group in described.groups if group[2] == "Stable"]
        found = []
        for _code, _group, _state, _type, _protocol, members, *_rest in groups:
            for _member, client, _host, _metadata, assignment in members:
                topics = ConsumerProtocolMemberAssignment.decode(assignment).assignment if assignment else []
                own = (partitions for topic, partitions in topics if topic == self._names.input)
                found.append((client, frozenset(partition for partitions in own for partition in partitions)))
        return found

    async def _ends(self, topic: str, partitions: int) -> dict[int, int]:
        found = await self._consumer.end_offsets([TopicPartition(topic, number) for number in range(partitions)])
        return {partition.partition: offset for partition, offset in found.items()}
