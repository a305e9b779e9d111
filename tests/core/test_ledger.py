from itertools import takewhile
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from worker.core.ledger import Entry, Ledger
from worker.core.types import Channel, Outgoing, Partition, Record

PARTITION = Partition("posts", 0)


def record(offset: int) -> Record:
    return Record(PARTITION, offset, -1, None, b"x")


def outputs(count: int) -> tuple[Outgoing, ...]:
    return tuple(Outgoing(Channel.OUTPUT, None, bytes([n])) for n in range(count))


class LedgerMachine(RuleBasedStateMachine):
    """Any order of decisions and acknowledgements, against a plain list of what is still unfinished."""

    @initialize(first=st.integers(0, 2**62))
    def begin(self, first: int) -> None:
        self.ledger = Ledger()
        self.next_offset = first
        self.entries: list[Entry] = []
        self.released: list[Entry] = []
        self.unacknowledged: dict[int, int] = {}
        self.last_committed: int | None = None
        self.finished: list[Entry] = []

    @rule(gap=st.integers(0, 3))
    def open(self, gap: int) -> None:
        offset = self.next_offset + gap
        self.entries.append(self.ledger.open(record(offset)))
        self.next_offset = offset + 1

    @precondition(lambda self: any(entry.outputs is None for entry in self.entries))
    @rule(data=st.data(), count=st.integers(1, 2))
    def decide(self, data: Any, count: int) -> None:
        entry = data.draw(st.sampled_from([entry for entry in self.entries if entry.outputs is None]))
        self.ledger.decide(entry, outputs(count))

    @rule(now=st.floats(0, 100), most=st.integers(0, 5))
    def release(self, now: float, most: int) -> None:
        # The publisher takes entries one by one and may be cancelled between two of them.
        for _, entry in zip(range(most), self.ledger.release(now), strict=False):
            assert entry.released_at == now
            self.released.append(entry)
            self.unacknowledged[entry.record.offset] = len(entry.outputs or ())

    @precondition(lambda self: any(self.unacknowledged.values()))
    @rule(data=st.data())
    def acknowledge(self, data: Any) -> None:
        waiting = [entry for entry in self.released if self.unacknowledged[entry.record.offset]]
        entry = data.draw(st.sampled_from(waiting))
        self.unacknowledged[entry.record.offset] -= 1
        self.finished += self.ledger.acknowledge(entry)

    @precondition(lambda self: self.ledger.committable() is not None)
    @rule()
    def commit(self) -> None:
        offset = self.ledger.committable()
        assert offset is not None
        self.ledger.committed(offset)
        self.last_committed = offset
        assert self.ledger.committable() is None

    @invariant()
    def release_follows_the_order_of_opening_each_once(self) -> None:
        assert self.released == self.entries[: len(self.released)]

    @invariant()
    def nothing_unfinished_is_ever_passed_and_nothing_finished_held_back(self) -> None:
        finished = None
        for entry in self.entries:
            if self.unacknowledged.get(entry.record.offset) != 0:
                break
            finished = entry.record.offset + 1
        assert self.ledger.committable() == (finished if finished != self.last_committed else None)

    @invariant()
    def what_is_unfinished_is_known_oldest_first(self) -> None:
        finished = takewhile(lambda entry: self.unacknowledged.get(entry.record.offset) == 0, self.entries)
        assert self.finished == list(finished)
        expected = self.entries[len(self.finished) :]
        assert list(self.ledger.unfinished()) == expected
        assert self.ledger.oldest() == (expected[0].record if expected else None)

    @invariant()
    def the_wait_is_counted_from_the_oldest_output_without_an_acknowledgement(self) -> None:
        waiting = [entry for entry in self.released if self.unacknowledged[entry.record.offset]]
        assert self.ledger.released_since() == (waiting[0].released_at if waiting else None)


TestLedger = LedgerMachine.TestCase


def test_a_position_without_an_output_is_refused_because_it_would_never_finish() -> None:
    ledger = Ledger()
    with pytest.raises(ValueError, match="needs an output"):
        ledger.decide(ledger.open(record(0)), ())


def test_a_commit_counts_one_past_the_last_finished_record_not_the_next_one_known() -> None:
    ledger = Ledger()
    entries = [ledger.open(record(offset)) for offset in (3, 90)]
    for entry in entries:
        ledger.decide(entry, outputs(1))
    assert list(ledger.release(0.0)) == entries
    ledger.acknowledge(entries[0])
    assert ledger.committable() == 4
    assert len(ledger) == 1
