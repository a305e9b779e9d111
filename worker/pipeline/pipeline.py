"""Intake, rebalances, commits and recovery: what decides that nothing is lost."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from worker.core.budget import Budget
from worker.core.cancellation import being_cancelled, unless
from worker.core.errors import Fatal, Rejected, Transient
from worker.core.ledger import Entry
from worker.core.ports import Encode, Observer, Outcome, Prepare, Score, Sink, Source, Transactions
from worker.core.trouble import Trouble
from worker.core.types import Partition, Record, Scorable
from worker.pipeline.chunks import chunks
from worker.pipeline.commits import Commits, TransactionalCommits
from worker.pipeline.failures import Failures
from worker.pipeline.intake_gate import IntakeGate
from worker.pipeline.lane import Lane
from worker.pipeline.limits import Limits
from worker.pipeline.scoring import Scoring

POLL_RECORDS = 500


class Pipeline:
    """Reads, scores, publishes and commits until the source ends or `stop` is called. Implements Rebalance.

    With `transactions` outputs and offsets are committed together, exactly once; else at least once.
    """

    def __init__(
        self,
        *,
        source: Source,
        sink: Sink,
        prepare: Prepare,
        score: Score,
        encode: Encode,
        observer: Observer,
        limits: Limits,
        clock: Callable[[], float],
        executor: Callable[[int, str], Executor] = ThreadPoolExecutor,
        transactions: Transactions | None = None,
    ) -> None:
        self._source = source
        self._sink = sink
        self._prepare = prepare
        self._encode = encode
        self._observer = observer
        self._limits = limits
        self._clock = clock
        self._preparing, self._scorers = executor(1, "prepare"), executor(limits.scoring_threads, "score")
        self._budget = Budget(limits.max_posts, limits.max_bytes)
        self._gate = IntakeGate(limits.breaker, self._budget, observer, clock)
        self._scoring = Scoring(
            score,
            executor=self._scorers,
            threads=limits.scoring_threads,
            batch_tokens=limits.batch_tokens,
            known=limits.known_windows,
            observer=observer,
            finished=self._finished,
            clock=clock,
        )
        self._lanes: dict[Partition, Lane] = {}
        self._failures = Failures(limits.backoff, clock)
        bound = (source, observer, limits, clock, self._failures.went_on)
        self._commits = TransactionalCommits(transactions, *bound) if transactions else Commits(*bound)
        self._changed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._stopped_at: float | None = None
        self._recoveries = 0  # producers replaced: what an older one reports is no news
        self._poll: asyncio.Future[Sequence[Record] | None] | None = None
        self._group: asyncio.TaskGroup | None = None

    @property
    def lanes(self) -> Mapping[Partition, Lane]:
        """The partitions assigned now."""
        return self._lanes

    @property
    def budget(self) -> Budget:
        """What is in flight now."""
        return self._budget

    @property
    def trouble(self) -> Trouble | None:
        """What keeps outputs from being published just now: failures, or only silence since the oldest was sent."""
        sent = [since for lane in self._lanes.values() if (since := lane.ledger.released_since()) is not None]
        silent = Trouble(min(sent), "no acknowledgement") if sent else None
        return self._failures.trouble or silent

    @property
    def commit_trouble(self) -> Trouble | None:
        """What keeps offsets from being committed just now."""
        return self._commits.trouble

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """Take nothing more; `run` finishes what is in flight within the drain bound, commits and returns."""
        self._stopped_at = self._stopped_at if self.stopped else self._clock()
        self._stopping.set()
        self._interrupt()

    async def run(self) -> None:
        """Work until the end. Raises Fatal where going on would lose or repeat posts without end."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                tasks = [*map(group.create_task, (*self._scoring.loops(), self._commits.regularly(self._lanes)))]
                await self._source.join(self)
                await self._take_in()
                await self.revoked(list(self._lanes))
                for task in tasks:
                    task.cancel()
        finally:
            for executor in (self._preparing, self._scorers):
                executor.shutdown(wait=False, cancel_futures=True)

    # Rebalance

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Open a lane for each partition; one already open is begun anew."""
        self._close(partitions)
        for partition in partitions:
            lane = self._lanes[partition] = Lane(
                partition,
                budget=self._budget,
                sink=self._sink,
                observer=self._observer,
                changed=self._changed.set,
                failed=partial(self._lane_failed, partition, self._recoveries),
                clock=self._clock,
                due=self._commits.begin,
                transaction=self._commits.transaction(partition),
            )
            if self._group is not None:
                lane.start(self._group)

    async def revoked(self, partitions: Sequence[Partition]) -> None:
        """Finish what is in flight within the drain bound, commit it, forget the rest (it will be read again)."""
        lanes = [self._lanes[partition] for partition in partitions if partition in self._lanes]
        with suppress(TimeoutError):
            async with asyncio.timeout(self._drain_left()):
                for lane in lanes:
                    await lane.idle.wait()
        try:
            with suppress(Transient, TimeoutError):  # the next owner reads these positions again
                async with asyncio.timeout(self._limits.last_commit_timeout):
                    await self._commits.commit(lanes)
        finally:
            self._close(partitions)
            self._failures.gave_up(partitions)
            self._commits.nothing_left()

    def _drain_left(self) -> float:
        """Seconds that what is in flight may take to finish: after `stop` it began then."""
        since = 0.0 if self._stopped_at is None else self._clock() - self._stopped_at
        return self._limits.drain_timeout - since

    def _close(self, partitions: Iterable[Partition]) -> None:
        for partition in partitions:
            if (lane := self._lanes.pop(partition, None)) is not None:
                lane.close()

    # Intake

    async def _take_in(self) -> None:
        while not self._stopping.is_set():
            if self._failures.pending is not None:
                await self._recover()
                continue
            await self._scoring.wanted()
            room = self._budget.room() or await self._wait_for_room()
            if self._interrupted():
                continue
            self._poll = asyncio.ensure_future(self._source.poll(min(self._gate.admits(room), POLL_RECORDS)))
            try:
                records = await self._poll
            except asyncio.CancelledError:
                if self._poll.cancelled() and self._interrupted() and not being_cancelled():
                    continue
                raise
            finally:
                self._poll = None
            if records is None:
                await self._finish()
                return
            if records:
                await self._admit(records)
            elif (self._failures.trouble or self.commit_trouble) and all(lane.quiet() for lane in self._lanes.values()):
                self._failures.went_on(self._lanes)  # nothing is left to show that publishing works again
                self._commits.nothing_left()

    async def _wait_for_room(self) -> int:
        """Wait for acknowledgements to make room. 0 after a while: the source must be polled, paused, to stay in."""
        start = self._clock()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.pause_after):
                while not (self._budget.room() or self._interrupted()):
                    if not any(len(lane.ledger) for lane in self._lanes.values()):
                        for lane in self._lanes.values():
                            self._commits.begin(lane)  # all is stored: only its commit makes room
                    self._changed.clear()
                    await self._changed.wait()
        self._observer.paused(self._clock() - start)
        return self._budget.room()

    async def _finish(self) -> None:
        """The input has ended: wait for everything in flight, however long it takes, unless stopped."""
        while not self._interrupted() and any(len(lane.ledger) for lane in self._lanes.values()):
            self._changed.clear()
            await self._changed.wait()
        if (failure := self._failures.pending) is not None:
            raise Fatal(f"could not write the output: {failure}") from failure

    async def _admit(self, records: Sequence[Record]) -> None:
        """Open every position before anything else can happen, then prepare and queue chunk by chunk."""
        opened: list[tuple[Lane, Entry]] = []
        for record in records:
            lane = self._lanes.get(record.partition)
            if lane is None:
                continue  # revoked since the poll returned: not opened, not committed, read again by its next owner
            opened.append((lane, lane.open(record)))
            self._observer.consumed(record)
        self._observer.in_flight(self._budget.posts, self._budget.bytes)
        loop = asyncio.get_running_loop()
        for chunk in chunks(opened):
            if self._drain_left() <= 0:
                return  # the rest is read again
            start = self._clock()
            prepared = await loop.run_in_executor(self._preparing, self._prepare, [entry.record for _, entry in chunk])
            self._observer.tokenised(len(chunk), self._clock() - start)
            for (lane, entry), result in zip(chunk, prepared, strict=True):
                if isinstance(result, Scorable):
                    self._scoring.put(lane, entry, result)
                else:
                    self._finished(lane, entry, result)

    def _finished(self, lane: Lane, entry: Entry, outcome: Outcome) -> None:
        if lane.closed:
            return
        if isinstance(outcome, Rejected):
            self._observer.rejected(outcome)
        outputs = self._encode(entry.record, outcome)
        self._gate.settled(outcome, outputs)
        lane.decide(entry, outputs)

    # Recovery

    def _lane_failed(self, partition: Partition, recoveries: int, error: BaseException) -> None:
        if recoveries != self._recoveries:
            return  # of a producer that was replaced since
        # A partition that was taken away never goes on here: it must not keep the deadline running.
        self._failures.note(error, partition if partition in self._lanes else None)
        self._sink.halt()
        for lane in self._lanes.values():
            lane.give_up()
        self._interrupt()

    def _interrupted(self) -> bool:
        return self._stopping.is_set() or self._failures.pending is not None

    def _interrupt(self) -> None:
        self._changed.set()
        if self._poll is not None:
            self._poll.cancel()

    async def _recover(self) -> None:
        """Replace the producer and read every partition again from its commit: sequence numbers never rewind."""
        delay, error = self._failures.delay(), self._failures.pending
        with suppress(Transient):  # what was acknowledged but not committed is published again, same event_id
            await self._commits.commit(list(self._lanes.values()))
        self._close(list(self._lanes))
        self._recoveries += 1
        self._observer.rewound()
        try:
            if not await unless(self._stopping, self._reset(error, delay)):
                return
        except Transient as again:
            self._failures.answered(again)
            with suppress(TimeoutError):  # a source that nobody polls is put out of its group
                async with asyncio.timeout(self._limits.pause_after):
                    await self._source.poll(0)
            return
        await self._source.rewind()
        self._failures.answered()

    async def _reset(self, error: BaseException | None, delay: float) -> None:
        await asyncio.sleep(delay)
        if error is not None:
            await self._sink.reset(error)
