"""Where a partition begins: at the group's commit, without one at its earliest record.

Kafka 4.1.0 tells commits before it has loaded them all, where the partition of `__consumer_offsets` changes its leader and
comes back while it is loaded, as it does where a broker that restarts is fenced once more. The first loading's completion is
taken for the second's (CoordinatorRuntime looks the partition up, not the loading), and until the second has read the log
the coordinator answers without an error: first that nothing is committed, then what runs through the group's history.
Who believes it does a partition's work of hours again.

Nothing that a client may ask tells such a coordinator for certain. Stable offsets are read from the same state. A write
fails there, for it does not fit the log, but for one thing: the end of a transaction is written without that look, and
lets what follows fit. Fencing ends transactions. So this is a matter of time: the second loading lasts about as long as the
first, which was refused as such.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import Any

import structlog
from aiokafka import TopicPartition

from worker.core.errors import Transient
from worker.kafka.loading import loading_of

log = structlog.get_logger(__name__)

GONE_BACK_SECONDS = 60.0
"""A commit that a member of the group knows of cannot go back: offsets are reset in an empty group alone. So a coordinator
that says otherwise is asked again for so long; then somebody made the topic anew, or reset the group in our absence."""

AGREE_SECONDS = 0.5
"""Two answers so long apart, or as long as the coordinator is doubtful, must be the same."""


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
        doubtful = loading_of(consumer._coordinator).doubtful_seconds()  # noqa: SLF001
        await asyncio.sleep(max(AGREE_SECONDS, doubtful))
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
