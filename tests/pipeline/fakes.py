"""The smallest world a pipeline can run in: a log, a model, a list of what was sent, and faults to switch on."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.core.errors import Reason, Rejected, Transient
from worker.core.ports import Outcome, Prepared, Rebalance, Sink, Source
from worker.core.types import (
    Channel,
    Expired,
    Outgoing,
    Partition,
    PostRef,
    Record,
    Scorable,
    Scored,
    Scores,
    Tombstone,
    Window,
)

A = Partition("posts", 0)
B = Partition("posts", 1)

POISON = 666
"""A token the model raises on."""
NOT_A_NUMBER = 999
"""A token the model answers with NaN."""


def post(offset: int, partition: Partition = A, tokens: str = "1") -> Record:
    """A record whose value lists the tokens of its windows: "1 2|3" is two windows."""
    return Record(partition, offset, -1, b"key", tokens.encode())


def posts(count: int, partition: Partition = A, first: int = 0) -> list[Record]:
    return [post(first + n, partition) for n in range(count)]


def prepare(records: Sequence[Record]) -> list[Prepared]:
    return [_prepare(record) for record in records]


def _prepare(record: Record) -> Prepared:
    if record.value is None:
        return Tombstone()
    ref = PostRef(f"{record.partition.partition}-{record.offset}", None, "0")
    if record.value == b"bad":
        return Rejected(Reason.NOT_JSON, "no JSON", ref)
    if record.value == b"old":
        return Expired(ref)
    windows = record.value.decode().split("|")
    return Scorable(ref, tuple(tuple(int(token) for token in window.split()) for window in windows))


def score(windows: Sequence[Window]) -> list[Scores]:
    if any(POISON in window for window in windows):
        raise ArithmeticError("the model failed")
    return [(float("nan") if NOT_A_NUMBER in window else 1 / (1 + max(window)),) for window in windows]


def encode(record: Record, outcome: Outcome) -> tuple[Outgoing, ...]:
    """A verdict that says what became of a post; for a rejected one a dead letter too. Headers name the record."""
    headers = (("offset", b"%d" % record.offset),)
    match outcome:
        case Tombstone():
            return (Outgoing(Channel.OUTPUT, record.key, None, headers),)
        case Scored():
            return (Outgoing(Channel.OUTPUT, record.key, b"%d scored" % record.offset, headers),)
        case Expired():
            return (Outgoing(Channel.OUTPUT, record.key, b"%d expired" % record.offset, headers),)
        case Rejected():
            text = f"{record.offset} {outcome.reason.value}".encode()
            return tuple(Outgoing(c, record.key, text, headers) for c in (Channel.DEAD_LETTER, Channel.OUTPUT))


class FakeSource(Source):
    """A log that a test appends to; commits are kept, faults are exceptions to raise from the next calls."""

    def __init__(self, *records: Record, ends: bool = False) -> None:
        self.log: dict[Partition, list[Record]] = defaultdict(list)
        self.committed: dict[Partition, int] = {}
        self.commits: list[dict[Partition, int]] = []
        self.commit_faults: list[Exception] = []
        self.commit_always_fails = False
        self.commit_seconds: list[float] = []
        self.polled: list[int] = []
        self.rewinds = 0
        self.rebalance: Rebalance | None = None
        self._ends = ends
        self._partitions: list[Partition] = []
        self._open: dict[Partition, int] = {}
        self._arrived = asyncio.Event()
        self.append(*records)
        self.assign(*dict.fromkeys(record.partition for record in records))

    def append(self, *records: Record) -> None:
        for record in records:
            self.log[record.partition].append(record)
        self._arrived.set()

    def assign(self, *partitions: Partition) -> None:
        self._partitions += partitions
        self._arrived.set()

    async def revoke(self, *partitions: Partition) -> None:
        """As a group coordinator does: from a task of its own, while a poll may be under way."""
        assert self.rebalance is not None
        for partition in partitions:
            self._partitions.remove(partition)
            self._open.pop(partition, None)
        await self.rebalance.revoked(partitions)

    async def join(self, rebalance: Rebalance) -> None:
        self.rebalance = rebalance

    async def poll(self, max_records: int) -> Sequence[Record] | None:
        assert self.rebalance is not None
        self.polled.append(max_records)
        await asyncio.sleep(0)
        if fresh := [partition for partition in self._partitions if partition not in self._open]:
            self._open |= {partition: self.committed.get(partition, 0) for partition in fresh}
            self.rebalance.assigned(fresh)
        if not max_records or (not self._waiting() and not self._ends):
            self._arrived.clear()
            try:
                async with asyncio.timeout(0.1 if not max_records else 1.0):
                    await self._arrived.wait()
            except TimeoutError:
                return []
        taken = self._waiting()[:max_records]
        for record in taken:
            self._open[record.partition] = record.offset + 1
        return taken if taken or not self._ends else None

    def _waiting(self) -> list[Record]:
        return [record for p, position in self._open.items() for record in self.log[p] if record.offset >= position]

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        await asyncio.sleep(self.commit_seconds.pop(0) if self.commit_seconds else 0)
        if self.commit_always_fails:
            raise Transient("the coordinator is away")
        if self.commit_faults:
            raise self.commit_faults.pop(0)
        self.commits.append(dict(offsets))
        self.committed |= offsets

    async def rewind(self) -> None:
        self.rewinds += 1
        self._open.clear()


@dataclass(eq=False)
class Sent:
    """One record on its way, with the future that its sender waits for."""

    partition: Partition
    outgoing: Outgoing
    future: "asyncio.Future[None]"

    @property
    def value(self) -> str:
        return (self.outgoing.value or b"tombstone").decode()


class FakeSink(Sink):
    """Keeps what was sent. `automatic`: acknowledged at once; else whenever a test resolves the futures."""

    def __init__(self, *, automatic: bool = True) -> None:
        self.automatic = automatic
        self.sent: list[Sent] = []
        self.send_seconds = 0.0
        self.send_faults: list[Exception] = []
        self.reset_faults: list[Exception] = []
        self.resets: list[BaseException] = []
        self.halted = False
        self.halts = 0
        self.before_reset: Callable[[], Awaitable[None]] | None = None
        self.refuses: Callable[[Partition, Outgoing], bool] = lambda _partition, _outgoing: False

    async def send(self, partition: Partition, outgoing: Outgoing) -> "asyncio.Future[Any]":
        await asyncio.sleep(self.send_seconds)
        if self.send_faults:
            raise self.send_faults.pop(0)
        sent = Sent(partition, outgoing, asyncio.get_running_loop().create_future())
        self.sent.append(sent)
        if self.refuses(partition, outgoing):
            sent.future.set_exception(Transient("refused"))
        elif self.automatic and not self.halted:
            sent.future.set_result(None)
        return sent.future

    def halt(self) -> None:
        self.halted = True
        self.halts += 1

    async def reset(self, error: BaseException) -> None:
        self.halted = False
        self.resets.append(error)
        if self.before_reset is not None:
            await self.before_reset()
        await asyncio.sleep(0)
        if self.reset_faults:
            raise self.reset_faults.pop(0)

    def acknowledge(self, *which: Sent) -> None:
        for sent in which or self.sent:
            if not sent.future.done():
                sent.future.set_result(None)

    def values(self, partition: Partition = A, channel: Channel = Channel.OUTPUT) -> list[str]:
        return [s.value for s in self.sent if s.partition == partition and s.outgoing.channel is channel]

    def offsets(self, partition: Partition = A) -> list[int]:
        """Offsets of the verdicts of `partition`, in the order they were sent."""
        return [int(value.split()[0]) for value in self.values(partition)]
