"""The dead-letter topic from its first record to the end it had when asked, as often as wanted."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition

from worker.core.errors import Fatal
from worker.core.types import Record
from worker.kafka import lenient
from worker.kafka.records import as_record

POLL_MS = 500
AT_ONCE = 500

lenient.install()


class Letters:
    """Reads committed records without a group. A context manager."""

    def __init__(self, connection: Mapping[str, Any], topic: str, partitions: int, patience: float) -> None:
        self._connection = connection
        self._partitions = [TopicPartition(topic, number) for number in range(partitions)]
        self._patience = patience
        self._consumer = AIOKafkaConsumer(
            **connection,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_partition_fetch_bytes=1024 * 1024,
            fetch_max_bytes=16 * 1024 * 1024,
        )
        self._starts: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}

    @property
    def size(self) -> int:
        """Offsets from first to end."""
        return sum(self._ends[tp] - self._starts[tp] for tp in self._partitions)

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        self._consumer.assign(self._partitions)
        # The ends of an uncommitted reader: behind another's open transaction there may be committed marks, and who
        # stopped before them would put their records back again.
        ends = AIOKafkaConsumer(**self._connection, group_id=None, enable_auto_commit=False)
        try:
            await ends.start()
            self._starts = await ends.beginning_offsets(self._partitions)
            self._ends = await ends.end_offsets(self._partitions)
        finally:
            await ends.stop()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def records(self, stopping: Callable[[], bool], advanced: Callable[[int], object]) -> AsyncIterator[Record]:
        """Every record; ends early once `stopping`. `advanced` is told of offsets gone by.

        Raises Fatal where nothing comes for the time that may be waited.
        """
        positions = dict(self._starts)
        self._consumer.resume(*self._partitions)
        for tp in self._partitions:
            self._consumer.seek(tp, self._starts[tp])
        clock = asyncio.get_running_loop().time
        last = clock()
        while (left := [tp for tp in self._partitions if positions[tp] < self._ends[tp]]) and not stopping():
            found = await self._consumer.getmany(*left, timeout_ms=POLL_MS, max_records=AT_ONCE)
            for tp, records in found.items():
                for record in records:
                    if record.offset < self._ends[tp]:
                        yield as_record(record)
            moved = 0
            for tp in left:
                position = await self._consumer.position(tp)
                moved += position - positions[tp]
                positions[tp] = position
            advanced(moved)
            now = clock()
            if moved or found:
                last = now
            elif now - last > self._patience:
                raise Fatal(
                    f"{left[0].topic} was not read to its end: no broker answers, or another producer's transaction is"
                    f" open there; waited MODERATION_RETRY_DEADLINE_SECONDS={self._patience:g}"
                )
