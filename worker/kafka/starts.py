"""Where a partition begins: at the group's commit, without one at its earliest record.

Kafka 4.1.0 tells commits before it has loaded them all. For a second or so after its restart the coordinator of a group
whose offsets are committed in transactions answers without an error, and what it answers runs through the group's whole
history: 200, 708, and in the end 870. Who believes the first answer does a partition's work of hours again. (Tried with
12 partitions of 1,000 transactions each, by requests of version 3 and 7 alike.)
"""

import asyncio
from collections.abc import Callable, Collection
from typing import Any

import structlog
from aiokafka import TopicPartition

from worker.core.errors import Transient

log = structlog.get_logger(__name__)

GONE_BACK_SECONDS = 60.0
"""A commit that a member of the group knows of cannot go back: offsets are reset in an empty group alone. So a coordinator
that says otherwise is asked again for so long; then somebody made the topic anew, or reset the group in our absence."""

AGREE_SECONDS = 0.5
"""Two answers so long apart must be the same."""


class Starts:
    """Asks for commits, and remembers the highest one that it has heard of in each partition. `clock` in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: dict[TopicPartition, int] = {}
        self._gone_back: dict[TopicPartition, float] = {}  # since when

    def committed(self, tp: TopicPartition, offset: int) -> None:
        """The group's commit of `tp` is `offset`, or higher."""
        self._known[tp] = max(offset, self._known.get(tp, 0))
        self._gone_back.pop(tp, None)

    def revoked(self) -> None:
        """All partitions were given up: nobody waits for a commit to come back any more, and what is known stays known."""
        self._gone_back.clear()

    async def of(self, consumer: Any, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """The offsets to begin at. Raises Transient where the coordinator has forgotten what it knew, or is remembering."""
        first = await _ask(consumer, partitions)
        await asyncio.sleep(AGREE_SECONDS)
        commits = await _ask(consumer, partitions)
        if moving := [tp.partition for tp in partitions if first[tp] != commits[tp]]:
            raise Transient(f"commits of partitions {moving} are moving: their coordinator is loading them")
        return {tp: await self._start(consumer, tp, commit) for tp, commit in commits.items()}

    async def _start(self, consumer: Any, tp: TopicPartition, commit: int | None) -> int:
        known = self._known.get(tp, 0)
        if (commit or 0) < known:
            since = self._gone_back.setdefault(tp, self._clock())
            if self._clock() - since < GONE_BACK_SECONDS:
                raise Transient(f"the commit of partition {tp.partition} went back from {known} to {commit}")
            log.error("a commit went back, going on from there", partition=tp.partition, known=known, commit=commit)
            del self._known[tp]
        if commit is None:
            return int((await consumer.beginning_offsets([tp]))[tp])
        self.committed(tp, commit)
        return commit


async def _ask(consumer: Any, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int | None]:
    return {tp: await consumer.committed(tp) for tp in partitions}
