"""One assigned partition: its ledger, and the task that publishes in order."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from worker.core.budget import Budget
from worker.core.ledger import Entry, Ledger
from worker.core.ports import Observer, Sink
from worker.core.types import Outgoing, Partition, Record


class Lane:
    """Everything in flight for one partition, from assignment to revocation.

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
    ) -> None:
        self.partition = partition
        self.ledger = Ledger()
        self.closed = False
        self.idle = asyncio.Event()
        self.idle.set()
        self._budget = budget
        self._sink = sink
        self._observer = observer
        self._changed = changed
        self._failed = failed
        self._clock = clock
        self._decided = asyncio.Event()
        self._broken = False

    def open(self, record: Record) -> Entry:
        """Take a record in: charge the budget, note its position as open."""
        self._budget.take(record.size)
        if not self._broken:
            self.idle.clear()
        return self.ledger.open(record)

    def decide(self, entry: Entry, outputs: tuple[Outgoing, ...]) -> None:
        """Set what is published for a position, once its turn comes."""
        if not self.closed:
            self.ledger.decide(entry, outputs)
            self._decided.set()

    async def publish(self) -> None:
        """Send decided outputs in the order of their positions, until cancelled."""
        while True:
            await self._decided.wait()
            self._decided.clear()
            # One at a time: where sends are what everything waits for, one release would never end, and count from then.
            while not self._broken and (entry := next(self.ledger.release(self._clock()), None)) is not None:
                for outgoing in entry.outputs or ():
                    try:
                        future = await self._sink.send(self.partition, outgoing)
                    except Exception as error:  # noqa: BLE001 - the rewind settles every open position
                        self._failed(error)
                        return
                    future.add_done_callback(partial(self._acknowledged, entry))

    def close(self) -> None:
        """Forget everything in flight and return its share of the budget."""
        self.closed = True
        for entry in self.ledger.unfinished():
            self._budget.give(entry.record.size)
        self.idle.set()
        self._changed()

    def _acknowledged(self, entry: Entry, future: "asyncio.Future[Any]") -> None:
        error = asyncio.CancelledError() if future.cancelled() else future.exception()
        if error is not None:
            self._failed(error)  # of a closed lane too: what follows the failed record must not be stored
            return
        if self.closed:
            return
        finished = self.ledger.acknowledge(entry)
        if not entry.unacknowledged:
            self._observer.acknowledged(entry.record, entry.outputs or ())
        for done in finished:
            self._budget.give(done.record.size)
        if finished:
            if not len(self.ledger):
                self.idle.set()
            self._changed()

    def give_up(self) -> None:
        """The sink is halted: nothing more is acknowledged, so nobody need wait for this lane."""
        self._broken = True
        self.idle.set()
