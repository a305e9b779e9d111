"""Commits: the contiguous prefix of what is acknowledged, regularly and on demand."""

import asyncio
from collections.abc import Callable, Iterable, Mapping

from worker.core.errors import Fatal, Transient
from worker.core.ports import Observer, Source
from worker.core.types import Partition
from worker.pipeline.lane import Lane
from worker.pipeline.limits import Limits


class Commits:
    """Commits lanes' progress, one commit at a time. `done` hears which partitions went on."""

    def __init__(
        self,
        source: Source,
        observer: Observer,
        limits: Limits,
        clock: Callable[[], float],
        done: Callable[[Iterable[Partition]], None],
    ) -> None:
        self._source = source
        self._observer = observer
        self._limits = limits
        self._clock = clock
        self._done = done
        self._lock = asyncio.Lock()

    async def commit(self, lanes: Iterable[Lane]) -> None:
        """Commit what the open ones of these lanes have finished. Raises Transient where it may work later."""
        async with self._lock:
            open_lanes = [lane for lane in lanes if not lane.closed]
            offsets = {lane.partition: lane.ledger.committable() for lane in open_lanes}
            due = {partition: offset for partition, offset in offsets.items() if offset is not None}
            if not due:
                return
            try:
                await self._source.commit(due)
            except Transient:
                self._observer.committed(False)
                raise
            self._observer.committed(True)
            for lane in open_lanes:
                if lane.partition in due:
                    lane.ledger.committed(due[lane.partition])
            self._done(due)

    async def regularly(self, lanes: Mapping[Partition, Lane]) -> None:
        """Commit every interval, until cancelled. Raises Fatal past the deadline, of a commit or of an output."""
        deadline = self._limits.backoff.deadline
        failing_since: float | None = None
        while True:
            await asyncio.sleep(self._limits.commit_interval)
            try:
                await self.commit(lanes.values())
                failing_since = None
            except Transient as error:
                failing_since = failing_since or self._clock()
                if self._clock() - failing_since > deadline:
                    raise Fatal(f"offsets could not be committed for {deadline:.0f} s: {error}") from error
            released = [since for lane in lanes.values() if (since := lane.ledger.released_since()) is not None]
            if released and self._clock() - min(released) > deadline:
                raise Fatal(f"no acknowledgement for {deadline:.0f} s (MODERATION_ACK_DEADLINE_SECONDS)")
