"""One assigned partition: its ledger, and the task that publishes in order."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from worker.core.budget import Budget
from worker.core.ledger import Entry, Ledger
from worker.core.ports import Observer, Sink
from worker.core.types import Outgoing, Partition, Record
from worker.pipeline.transaction_size import TransactionSize

QUIET_SECONDS = 5.0
"""A partition in which nothing was found for so long since it was opened has nothing to read."""


class Lane:
    """Everything in flight for one partition, from assignment to revocation.

    Without `transaction` outputs count as published once acknowledged, and offsets are committed now and then. With it
    they are published once a transaction is committed; where it holds what it may, `due` is called, and the rest waits
    for the next.

    A closed lane ignores what still comes back for it, because its positions belong to whoever reads them next; but not
    a failure: what follows the failed record must not be stored.
    """

    def __init__(
        self,
        partition: Partition,
        *,
        budget: Budget,
        sink: Sink,
        observer: Observer,
        changed: Callable[[], None],
        failed: Callable[[BaseException], None],
        clock: Callable[[], float],
        due: Callable[["Lane"], None],
        transaction: TransactionSize | None = None,
    ) -> None:
        self.partition = partition
        self.ledger = Ledger()
        self.closed = False
        self.idle = asyncio.Event()
        self.idle.set()
        self.sending = asyncio.Lock()
        """Held while the outputs of one record are handed over: who holds it sees whole records only."""
        self._budget = budget
        self._sink = sink
        self._observer = observer
        self._changed = changed
        self._failed = failed
        self._clock = clock
        self._due = due
        self._transaction = transaction
        self._opened_at = clock()
        self._publisher: asyncio.Task[None] | None = None
        self._decided = asyncio.Event()
        self._moved = asyncio.Event()
        self._stored: list[Entry] = []  # acknowledged, their transaction not committed yet
        self.broken = False
        """The sink is halted: nothing more is acknowledged, and nothing of an open transaction may be committed."""

    def open(self, record: Record) -> Entry:
        """Take a record in: charge the budget, note its position as open."""
        self._budget.take(record.size)
        if not self.broken:
            self.idle.clear()
        return self.ledger.open(record)

    def decide(self, entry: Entry, outputs: tuple[Outgoing, ...]) -> None:
        """Set what is published for a position, once its turn comes."""
        if not self.closed:
            self.ledger.decide(entry, outputs)
            self._decided.set()

    def quiet(self) -> bool:
        """Whether there has been nothing to do in it for a while."""
        nothing_left = self.idle.is_set() and not self.broken and self.ledger.committable() is None
        return nothing_left and self._clock() - self._opened_at > QUIET_SECONDS

    def start(self, group: asyncio.TaskGroup) -> None:
        """Begin to publish, until closed."""
        self._publisher = group.create_task(self._publish())

    async def _publish(self) -> None:
        """Send decided outputs in the order of their positions."""
        while True:
            await self._decided.wait()
            self._decided.clear()
            # One at a time: where sends are what everything waits for, one release would never end, and count from then.
            while not self.broken and await self._send_next():
                pass

    async def _send_next(self) -> bool:
        async with self.sending:
            if self._full() or self.broken or (entry := next(self.ledger.release(self._clock()), None)) is None:
                return False
            for outgoing in entry.outputs or ():
                try:
                    future = await self._sink.send(self.partition, outgoing)
                except Exception as error:  # noqa: BLE001 - the rewind settles every open position
                    self.fail(error)
                    return False
                future.add_done_callback(partial(self._acknowledged, entry))
            return True

    def _full(self) -> bool:
        """Whether the open transaction holds what it may."""
        return self._transaction is not None and self._held >= self._transaction.most

    @property
    def _held(self) -> int:
        """Records of the open transaction."""
        return len(self._stored) + self.ledger.in_transit

    async def settled(self) -> bool:
        """Wait until all that was handed over is acknowledged; False where that will not be. Hold `sending`."""
        while self.ledger.in_transit and not (self.broken or self.closed):
            self._moved.clear()
            await self._moved.wait()
        return not (self.broken or self.closed)

    def committed(self, offset: int) -> None:
        """`offset` was committed: what was stored in its transaction is published now."""
        self.ledger.committed(offset)
        if self._transaction is not None:
            self._transaction.committed(len(self._stored))
            self._decided.set()  # the next one has room
        for entry in self._stored:
            self._observer.acknowledged(entry.record, entry.outputs or ())
            self._budget.give(entry.record.size)
        if self._stored:
            self._stored = []
            self._changed()

    def fail(self, error: BaseException) -> None:
        """Something that was sent, or its transaction, failed."""
        self._failed(error)

    def close(self) -> None:
        """Forget everything in flight and return its share of the budget."""
        self.closed = True
        if self._publisher is not None:
            self._publisher.cancel()
        for entry in (*self.ledger.unfinished(), *self._stored):
            self._budget.give(entry.record.size)
        self._stored = []
        self.idle.set()
        self._moved.set()
        self._changed()

    def _acknowledged(self, entry: Entry, future: "asyncio.Future[Any]") -> None:
        error = asyncio.CancelledError() if future.cancelled() else future.exception()
        if error is not None:
            self._failed(error)  # of a closed lane too: what follows the failed record must not be stored
            return
        if self.closed:
            return
        finished = self.ledger.acknowledge(entry)
        if self._transaction is None:
            if not entry.unacknowledged:
                self._observer.acknowledged(entry.record, entry.outputs or ())
            for done in finished:
                self._budget.give(done.record.size)
        elif finished:
            self._stored += finished
            if self._full():
                self._due(self)
        if finished:
            if not len(self.ledger):
                self.idle.set()
            self._moved.set()
            self._changed()

    def give_up(self) -> None:
        """The sink is halted: nothing more is acknowledged, so nobody need wait for this lane.

        Whichever lane failed, its transaction begins small: one that outlasts all others would stay too large.
        """
        if self._transaction is not None and self._held and not self.broken:
            self._transaction.failed()
        self.broken = True
        self.idle.set()
        self._moved.set()
