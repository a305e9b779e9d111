"""A sink whose outputs appear only when their transaction is committed, and which knows what a commit must hold."""

import asyncio
from collections import defaultdict
from typing import Any

from tests.pipeline.fakes import FakeSink, FakeSource, Sent
from worker.core.errors import Transient
from worker.core.types import Outgoing, Partition


class FakeTransactions(FakeSink):
    """`visible`: what a reader of committed records sees. A commit of anything but whole, stored records is an error."""

    def __init__(self, source: FakeSource, *, automatic: bool) -> None:
        super().__init__(automatic=automatic)
        self.visible: list[Sent] = []
        self.commits: list[tuple[Partition, int]] = []
        self.commit_seconds: dict[Partition, float] = {}
        self.commit_faults: list[Exception] = []
        self.lost_answers: list[Exception] = []  # of commits that went well
        self.most_records = 10**6  # a transaction of more never gets through in time
        self._source = source
        self._open: dict[Partition, list[Sent]] = defaultdict(list)

    async def send(self, partition: Partition, outgoing: Outgoing) -> "asyncio.Future[Any]":
        future = await super().send(partition, outgoing)
        self._open[partition].append(self.sent[-1])
        return future

    async def commit(self, partition: Partition, offset: int) -> None:
        assert not self.halted, "a transaction was committed after a failure"
        resets = len(self.resets)
        await asyncio.sleep(self.commit_seconds.get(partition, 0.0))
        if self.halted:
            raise Transient("given up")
        if len(self.resets) > resets:
            raise Transient("the producer was replaced")
        if self.commit_faults:
            raise self.commit_faults.pop(0)
        stored = self._open.pop(partition, [])
        if len(stored) > self.most_records:
            raise Transient("too late")
        assert all(sent.future.done() and sent.future.exception() is None for sent in stored)
        assert offset == max(_offset(sent) for sent in stored) + 1
        self.visible += stored
        self.commits.append((partition, offset))
        self._source.committed[partition] = offset
        if self.lost_answers:
            raise self.lost_answers.pop(0)

    async def reset(self, error: BaseException) -> None:
        self._open.clear()
        await super().reset(error)

    def shown(self) -> list[str]:
        """The values that a reader of committed records sees, in order."""
        return [sent.value for sent in self.visible]


def _offset(sent: Sent) -> int:
    return int(dict(sent.outgoing.headers)["offset"])
