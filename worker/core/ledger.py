"""Open positions of one partition: outputs leave, and offsets are committed, in the order the records came.

Offsets have gaps (compaction, aborted transactions, control records), so order is the order of `open`, never
arithmetic on offsets; only the commit is "one past the last finished record", as Kafka defines it.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from worker.core.types import Outgoing, Record


@dataclass(slots=True)
class Entry:
    """One open position. `outputs` None: not decided yet; `unacknowledged` counts outputs still on their way."""

    record: Record
    outputs: tuple[Outgoing, ...] | None = None
    unacknowledged: int = 0
    released_at: float = 0.0


class Ledger:
    """Positions of one partition between reading and commit."""

    def __init__(self) -> None:
        self._waiting: deque[Entry] = deque()  # not yet handed to the sink
        self._sent: deque[Entry] = deque()  # handed over, not yet finished up to the front
        self._next: int | None = None
        self._committed: int | None = None

    def __len__(self) -> int:
        """Open positions."""
        return len(self._waiting) + len(self._sent)

    def open(self, record: Record) -> Entry:
        """Note a record as read. Records come in offset order."""
        entry = Entry(record)
        self._waiting.append(entry)
        return entry

    def decide(self, entry: Entry, outputs: tuple[Outgoing, ...]) -> None:
        """Set what is to be published for an open position: at least one output, or nothing would finish it."""
        if not outputs:
            raise ValueError("a position needs an output")
        entry.outputs = outputs
        entry.unacknowledged = len(outputs)

    def release(self, now: float) -> Iterator[Entry]:
        """Hand out decided entries, in order, up to the first undecided one; each exactly once."""
        while self._waiting and self._waiting[0].outputs is not None:
            entry = self._waiting.popleft()
            entry.released_at = now
            self._sent.append(entry)
            yield entry

    def acknowledge(self, entry: Entry) -> list[Entry]:
        """Note one output of `entry` as acknowledged; return the positions it finishes.

        One that is acknowledged behind an unfinished one stays open, and in memory, until that one is finished.
        """
        entry.unacknowledged -= 1
        finished: list[Entry] = []
        while self._sent and not self._sent[0].unacknowledged:
            finished.append(self._sent.popleft())
            self._next = finished[-1].record.offset + 1
        return finished

    def committable(self) -> int | None:
        """The offset to commit: all before it is finished. None where nothing is new since `committed`."""
        return self._next if self._next != self._committed else None

    def committed(self, offset: int) -> None:
        """Note that `offset` was committed."""
        self._committed = offset

    def oldest(self) -> Record | None:
        """The oldest open record."""
        first = self._sent or self._waiting
        return first[0].record if first else None

    def unfinished(self) -> Iterator[Entry]:
        """Open entries, oldest first."""
        yield from self._sent
        yield from self._waiting

    @property
    def in_transit(self) -> int:
        """Positions handed over that are not finished yet."""
        return len(self._sent)

    def released_since(self) -> float | None:
        """When the oldest output that still lacks an acknowledgement was handed over."""
        return self._sent[0].released_at if self._sent else None
