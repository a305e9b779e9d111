"""Partitions take turns: aiokafka goes on with one until all that it fetched of it (1 MiB) is used up."""

import asyncio
from collections.abc import Collection
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition


class Turns:
    """Reads first from the partition that has waited longest, also after a pause dropped what was fetched."""

    def __init__(self) -> None:
        self._served: dict[TopicPartition, int] = {}  # number of the take that last brought records of it, or failed
        self._failing: set[TopicPartition] = set()
        self._failed: tuple[TopicPartition, Exception] | None = None  # beside others that brought records
        self._takes = 0

    def failing(self, partitions: Collection[TopicPartition]) -> bool:
        """Whether one of these could not be read when it was last asked."""
        return not self._failing.isdisjoint(partitions)

    async def take(
        self, consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition], seconds: float, max_records: int
    ) -> dict[TopicPartition, list[Any]]:
        """Take up to `max_records` of `partitions`, in turn; wait up to `seconds` where there is none yet.

        Raises what the consumer raises; then records may have been taken that nobody has seen. What one partition
        raises is kept for the next take where others have brought records.
        """
        if self._failed is not None:
            (tp, error), self._failed = self._failed, None
            if tp in partitions:
                raise error
        if not partitions:  # it reports what is wrong with the group all the same
            await consumer.getmany(timeout_ms=int(seconds * 1000), max_records=1)
            return {}
        found = await self._ready(consumer, partitions, max_records)
        if not found:
            # Not by getmany: it would take from whichever partition comes first, and that is always the same one.
            waiter = consumer._fetcher._create_fetch_waiter()  # noqa: SLF001
            try:
                await asyncio.wait([waiter], timeout=seconds)
            finally:
                if not waiter.cancel() and not waiter.cancelled():
                    waiter.exception()  # the next take meets it too
            found = await self._ready(consumer, partitions, max_records)
        return found

    async def _ready(
        self, consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition], max_records: int
    ) -> dict[TopicPartition, list[Any]]:
        found: dict[TopicPartition, list[Any]] = {}
        self._takes += 1
        for tp in sorted(partitions, key=lambda tp: self._served.get(tp, 0)):
            try:
                taken = (await consumer.getmany(tp, timeout_ms=0, max_records=max_records)).get(tp)
            except Exception as error:
                self._served[tp] = self._takes + 1  # asked first each time it would keep all others from their turns
                self._failing.add(tp)
                if not found:
                    raise
                self._failed = tp, error
                break
            self._failing.discard(tp)
            if taken:
                found[tp] = taken
                self._served[tp] = self._takes
                max_records -= len(taken)
                if not max_records:
                    break
        return found
