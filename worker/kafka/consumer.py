"""The source: a consumer-group member whose partitions open only at their committed offsets.

aiokafka fetches before it tells anyone about an assignment, swallows what its rebalance listener raises, and hands
out records that were fetched before a rebalance. So nothing is taken from a partition until its gate is open: after
each rebalance, outside the listener, ask for the commit, seek there (which drops everything buffered), then open.
Where outputs are transactional the partition's former owner is fenced first: it can commit nothing after we asked.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)

from worker.core.cancellation import being_cancelled
from worker.core.errors import Fatal, Transient
from worker.core.ports import Rebalance
from worker.core.retry import Backoff
from worker.core.trouble import Trouble
from worker.core.types import Partition, Record
from worker.kafka import group_offsets, leaving, lenient, static_members
from worker.kafka.listener import Listener
from worker.kafka.membership import Fences, Membership
from worker.kafka.reach import Reach
from worker.kafka.read_failures import ReadFailures
from worker.kafka.records import as_record
from worker.kafka.starts import Starts
from worker.kafka.turns import Turns

log = structlog.get_logger(__name__)

group_offsets.install()
lenient.install()
static_members.install()

IDLE_SECONDS = 1.0
PAUSED_SECONDS = 0.1
REBALANCE_SECONDS = 1.0  # aiokafka waits for the end of one, however long
COMMIT_SECONDS = 5.0
OPEN_SECONDS = 30.0
STOPPED = "offset out of range: stopped. Reset the group's offset, or set MODERATION_OUT_OF_RANGE=earliest, and restart"


class KafkaSource:
    """Implements Source on an aiokafka consumer in `read_committed` isolation without auto-commit."""

    def __init__(
        self,
        topic: str,
        *,
        connection: Mapping[str, Any],
        group: Mapping[str, Any],
        allow_jump: bool,
        membership: Membership,
        backoff: Backoff,
        clock: Callable[[], float] = time.monotonic,
        commit_timeout: float = COMMIT_SECONDS,
        fences: Fences | None = None,
    ) -> None:
        self._topic = topic
        self._fences = fences
        self._commit_timeout = commit_timeout
        self._arguments = {**connection, **group}
        self._allow_jump = allow_jump
        self._membership = membership
        self._consumer: AIOKafkaConsumer | None = None
        self._rebalance: Rebalance  # from `join` on
        self._assigned: frozenset[TopicPartition] = frozenset()
        self._open: frozenset[TopicPartition] = frozenset()
        self._next: dict[TopicPartition, int] = {}  # of each open partition, what the pipeline has not seen yet
        self._stopped: set[TopicPartition] = set()
        self._turns = Turns()
        self._starts = Starts(clock)
        self._epoch = 0  # counts revocations and assignments: what began in an older epoch is dropped
        self._fencing: asyncio.Future[None] | None = None
        self._paused = False
        self._listener = Listener(self._on_revoked, self._on_assigned)
        self._reach = Reach(backoff.deadline, clock)
        self._failures = ReadFailures(topic, str(self._arguments["group_id"]), backoff, clock)

    async def join(self, rebalance: Rebalance) -> None:
        """Connect and join the group in the background. Raises Fatal where no broker can be reached."""
        self._rebalance = rebalance
        self._consumer = AIOKafkaConsumer(
            **self._arguments,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            fetch_max_bytes=16 * 1024 * 1024,
        )
        try:
            await self._consumer.start()
        except (KafkaError, OSError) as error:
            raise Fatal(f"cannot connect to Kafka (MODERATION_BOOTSTRAP_SERVERS): {error}") from error
        self._reach.left()
        self._consumer.subscribe([self._topic], listener=self._listener)

    async def leave(self) -> None:
        """See Source."""
        if self._consumer is not None:
            await leaving.leave(self._consumer)

    async def poll(self, max_records: int) -> Sequence[Record]:
        """See Source. Errors that may pass are waited out here, up to the back-off's deadline."""
        try:
            records = await self._poll(max_records)
        except (KafkaError, TimeoutError, Transient) as error:
            if isinstance(error, GroupAuthorizationFailedError):  # its heartbeats have ended for good
                self.consumer._coordinator.request_rejoin()  # noqa: SLF001
            await self._failures.wait(error)
            return []
        if not self._turns.failing(self._open):
            self._failures.worked(found=bool(records))
        return records

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """See Source."""
        try:
            async with asyncio.timeout(self._commit_timeout):
                await self.consumer.commit({TopicPartition(*p): offset for p, offset in offsets.items()})
        except (KafkaError, TimeoutError) as error:
            log.warning("commit failed", error=repr(error), partitions=len(offsets))
            raise Transient(f"commit: {error!r}") from error
        for partition, offset in offsets.items():
            self.committed(partition, offset)

    def committed(self, partition: Partition, offset: int) -> None:
        """`offset` was committed for `partition`, here or in a transaction."""
        self._starts.committed(TopicPartition(*partition), offset)

    async def rewind(self) -> None:
        """See Source."""
        self._open = frozenset()

    def rejoin(self) -> None:
        """Join the group anew, and read nothing until that is done: another worker took a partition of ours."""
        self._begin_epoch()
        self.consumer._coordinator.request_rejoin()  # noqa: SLF001 - unsubscribing would lose the session

    def end_offsets(self) -> dict[Partition, int]:
        """Offset after the last stored record of each open partition, as far as fetches have told."""
        ends = {Partition(*tp): self.consumer.highwater(tp) for tp in self._open}
        return {partition: end for partition, end in ends.items() if end is not None}

    def position(self, partition: Partition) -> int | None:
        """The next offset to read of a partition that is open, past markers of transactions too, which are no records."""
        tp = TopicPartition(*partition)
        if tp not in self._open:
            return None
        state = self.consumer._subscription.subscription.assignment.state_value(tp)  # noqa: SLF001 - asked without waiting
        return max(self._next[tp], state.position if state.has_valid_position else 0)

    @property
    def consumer(self) -> AIOKafkaConsumer:
        """The consumer, once `join` was called."""
        if self._consumer is None:
            raise RuntimeError("the source has not joined yet")
        return self._consumer

    @property
    def trouble(self) -> Trouble | None:
        """What keeps this source from reading just now."""
        return self._failures.trouble or self._reach.trouble

    async def _poll(self, max_records: int) -> Sequence[Record]:
        self._listener.check()
        static_members.check(self.consumer._coordinator)  # noqa: SLF001
        self._reach.look(self.consumer._client, self._assigned)  # noqa: SLF001
        if self._open != self._assigned - self._stopped:
            await self._open_gates()
        self._pause(max_records == 0)
        fetcher, coordinator = self.consumer._fetcher, self.consumer._coordinator  # noqa: SLF001 - nobody else looks at them
        if fetcher.error_future.done() or coordinator._coordination_task.done():  # noqa: SLF001
            raise Fatal("the Kafka client has stopped after a defect of its own: start the worker anew")
        epoch = self._epoch
        timeout = PAUSED_SECONDS if self._paused else IDLE_SECONDS
        try:
            async with asyncio.timeout(timeout + REBALANCE_SECONDS):
                fetched = await self._turns.take(self.consumer, self._open, timeout, max(1, max_records))
        except (NoOffsetForPartitionError, TimeoutError):
            self._take_back(epoch)
            return []  # fetched before its gate was opened, which seeks; or the group rebalances
        except OffsetOutOfRangeError as error:
            self._take_back(epoch)
            await self._out_of_range(error.args[0])
            return []
        except BaseException:
            self._take_back(epoch)
            raise
        if epoch != self._epoch:
            return []  # of another assignment: read again from the commit once the gate opens
        records = [as_record(r) for tp, found in fetched.items() if tp in self._open for r in found]
        self._next |= {TopicPartition(*r.partition): r.offset + 1 for r in records}
        return records

    def _take_back(self, epoch: int) -> None:
        """Go back to what was seen: when one partition cannot be read, aiokafka drops what it took from the others."""
        if epoch == self._epoch:
            for tp in self._open:
                self._seek(tp, self._next[tp])

    def _seek(self, tp: TopicPartition, offset: int) -> None:
        self.consumer.seek(tp, offset)
        self._next[tp] = offset

    async def _open_gates(self) -> None:
        epoch = self._epoch
        closed = self._assigned - self._stopped - self._open
        if self._fences is not None:
            async with asyncio.timeout(OPEN_SECONDS):  # before fencing waits for the same coordinator, unheard
                await group_offsets.answered(self.consumer._coordinator, self._topic, [tp.partition for tp in closed])  # noqa: SLF001
            if epoch != self._epoch or not await self._fence(self._fences, closed):
                return
        async with asyncio.timeout(OPEN_SECONDS):  # aiokafka asks for a commit without end
            starts = await self._starts.of(self.consumer, sorted(closed))
        if epoch != self._epoch:
            return
        log.info("reading on", offsets={tp.partition: offset for tp, offset in starts.items()})
        for tp, offset in starts.items():
            self._seek(tp, offset)
        self._open |= starts.keys()
        self._paused = False
        self.consumer.resume(*starts)
        self._rebalance.assigned([Partition(*tp) for tp in sorted(starts)])

    async def _fence(self, fences: Fences, closed: Collection[TopicPartition]) -> bool:
        """Whether these partitions are ours alone; False where they are taken away meanwhile."""
        epoch = self._epoch
        self._fencing = asyncio.ensure_future(fences.open([Partition(*tp) for tp in sorted(closed)]))
        try:
            await self._fencing
        except asyncio.CancelledError:
            if epoch == self._epoch or being_cancelled():
                raise
        finally:
            self._fencing = None
        return epoch == self._epoch

    def _pause(self, paused: bool) -> None:
        if paused and not self._paused:
            self.consumer.pause(*self._open)
        elif self._paused and not paused:
            self.consumer.resume(*self._open)
        self._paused = paused

    async def _out_of_range(self, offsets: Mapping[TopicPartition, int]) -> None:
        """The log no longer holds the position to read. Going on would skip posts, so it must be allowed."""
        for tp, offset in offsets.items():
            if tp not in self._open or offset != await self.consumer.position(tp):
                continue  # of a fetch before the gate opened, or that a seek has overtaken
            if self._allow_jump:
                earliest = (await self.consumer.beginning_offsets([tp]))[tp]
                log.error("offset out of range, going on at the earliest", partition=tp, offset=offset, to=earliest)
                self._seek(tp, earliest)
                self._membership.offset_jumped()
            else:
                log.error(STOPPED, partition=tp, offset=offset)
                self.consumer.pause(tp)
                self._stopped.add(tp)
                self._open -= {tp}
                self._membership.partition_stopped(Partition(*tp))

    def _begin_epoch(self, assigned: Collection[TopicPartition] = ()) -> None:
        self._epoch += 1
        self._assigned, self._open = frozenset(assigned), frozenset()
        if self._fencing is not None:
            self._fencing.cancel()  # late, it would fence the next owner

    async def _on_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self._reach.left()
        self._begin_epoch()
        self._stopped.clear()
        self._starts.revoked()
        partitions = [Partition(*tp) for tp in sorted(revoked)]
        await self._rebalance.revoked(partitions)
        if self._fences is not None:
            await self._fences.close(partitions)

    def _on_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._begin_epoch(assigned)
        self._paused = False
        self._reach.joined()
        self._membership.joined()
        self._membership.assigned(len(assigned))
        log.info("assigned", partitions=sorted(tp.partition for tp in assigned))
