"""Commits: the contiguous prefix of what is acknowledged, regularly and on demand."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial

from worker.core.errors import Fatal, Transient
from worker.core.ports import Observer, Source, Transactions
from worker.core.trouble import Trouble
from worker.core.types import Partition
from worker.pipeline.lane import Lane
from worker.pipeline.limits import Limits
from worker.pipeline.transaction_size import TransactionSize

SETTLE_SECONDS = 5.0
"""Sending stands still while a transaction waits for its acknowledgements: for so long at most, then it goes on."""


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
        self.trouble: Trouble | None = None
        """Since when commits fail, and why."""

    def begin(self, lane: Lane) -> None:
        """Commit this lane now, where only that publishes what it stored. Does not wait for it."""

    def transaction(self, partition: Partition) -> TransactionSize | None:
        """What this partition's transactions hold at most; None where there are none."""
        del partition
        return None

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
            except Transient as error:
                self._told(error)
                raise
            self._told()
            for lane in open_lanes:
                if lane.partition in due:
                    lane.committed(due[lane.partition])
            self._done(due)

    async def regularly(self, lanes: Mapping[Partition, Lane]) -> None:
        """Commit every interval, until cancelled. Raises Fatal past the deadline, of a commit or of an output."""
        deadline = self._limits.backoff.deadline
        failing_since: float | None = None
        while True:
            await asyncio.sleep(self._limits.commit_interval)
            try:
                await self._tick(lanes.values())
                failing_since = None
            except Transient as error:
                failing_since = failing_since or self._clock()
                if self._clock() - failing_since > deadline:
                    raise Fatal(
                        f"offsets could not be committed for {deadline:.0f} s (MODERATION_ACK_DEADLINE_SECONDS): {error}"
                    ) from error
            released = [since for lane in lanes.values() if (since := lane.ledger.released_since()) is not None]
            if released and self._clock() - min(released) > deadline:
                raise Fatal(f"no acknowledgement for {deadline:.0f} s (MODERATION_ACK_DEADLINE_SECONDS)")

    def nothing_left(self) -> None:
        """What could not be committed is someone else's by now, or is committed after all: an answer may be lost."""
        self.trouble = None

    async def _tick(self, lanes: Iterable[Lane]) -> None:
        await self.commit(lanes)

    def _told(self, error: BaseException | None = None) -> None:
        """A commit worked, or failed with `error`."""
        self._observer.committed(error is None)
        since = self.trouble.since if self.trouble is not None else self._clock()
        self.trouble = None if error is None else Trouble(since, str(error))


class TransactionalCommits(Commits):
    """Commits each lane's outputs and offset in one transaction; no lane waits for another's.

    The offset must be one past the last record in the transaction: so nothing is sent meanwhile, and all that was sent
    is acknowledged first (a commit succeeds even where sends failed).
    """

    def __init__(self, transactions: Transactions, *arguments: object, **more: object) -> None:
        super().__init__(*arguments, **more)  # type: ignore[arg-type]
        self._transactions = transactions
        self._running: dict[Lane, asyncio.Task[None]] = {}
        self._sizes: dict[Partition, TransactionSize] = {}
        self._group: asyncio.TaskGroup | None = None

    def begin(self, lane: Lane) -> None:
        """See Commits. One at a time: that which runs takes what is there when it gets its turn."""
        if lane not in self._running and self._group is not None:
            task = self._running[lane] = self._group.create_task(self._commit(lane))
            task.add_done_callback(partial(self._ended, lane))

    def transaction(self, partition: Partition) -> TransactionSize:
        """See Commits. It outlives the partition's lanes: each failure closes them."""
        return self._sizes.setdefault(partition, TransactionSize())

    async def commit(self, lanes: Iterable[Lane]) -> None:
        """Commit the open transactions of these lanes. What fails is told to its lane, which makes the pipeline recover."""
        async with asyncio.TaskGroup() as group:
            for lane in list(lanes):
                group.create_task(self._commit(lane))

    async def regularly(self, lanes: Mapping[Partition, Lane]) -> None:
        """See Commits."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                await super().regularly(lanes)
            finally:
                self._group = None

    async def _tick(self, lanes: Iterable[Lane]) -> None:
        """Begin commits without waiting for them: one that takes long must not delay those of other lanes."""
        for lane in lanes:
            self.begin(lane)

    def _ended(self, lane: Lane, _task: "asyncio.Task[None]") -> None:
        del self._running[lane]

    async def _commit(self, lane: Lane) -> None:
        if lane.broken or lane.closed:
            return
        # What is not acknowledged in time waits for the next commit, or for the deadline of acknowledgements.
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_SECONDS) as patience, lane.sending:
                settled = await lane.settled()
                patience.reschedule(None)
                if settled and (offset := lane.ledger.committable()) is not None:
                    await self._commit_transaction(lane, offset)

    async def _commit_transaction(self, lane: Lane, offset: int) -> None:
        try:
            await self._transactions.commit(lane.partition, offset)
        except (Transient, Fatal) as error:
            if not lane.closed:  # else its producer is gone already, and nothing follows in it
                self._told(error)
                lane.fail(error)
            return
        if not lane.closed:
            self._told()
            lane.committed(offset)
            self._done([lane.partition])
