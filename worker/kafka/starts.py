"""Where a partition begins: at the group's commit, without one at its earliest record."""

from collections.abc import Callable
from typing import Any

import structlog
from aiokafka import TopicPartition

from worker.core.errors import Transient

log = structlog.get_logger(__name__)

GONE_BACK_SECONDS = 60.0
"""A commit that a member of the group knows of cannot go back: offsets are reset in an empty group alone. So a coordinator
that says otherwise is asked again for so long; then somebody made the topic anew, or reset the group in our absence."""


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

    async def of(self, consumer: Any, tp: TopicPartition) -> int:
        """The offset to begin at. Raises Transient where the coordinator has forgotten what it knew."""
        committed = await consumer.committed(tp)
        known = self._known.get(tp, 0)
        if (committed or 0) < known:
            since = self._gone_back.setdefault(tp, self._clock())
            if self._clock() - since < GONE_BACK_SECONDS:
                raise Transient(f"the commit of partition {tp.partition} went back from {known} to {committed}")
            log.error("a commit went back, going on from there", partition=tp, known=known, committed=committed)
            del self._known[tp]
        if committed is None:
            return int((await consumer.beginning_offsets([tp]))[tp])
        self.committed(tp, committed)
        return int(committed)
