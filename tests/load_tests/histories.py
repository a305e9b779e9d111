"""Histories of a worker that keeps its promises, for the checker's tests to spoil."""

from dataclasses import dataclass, replace
from itertools import groupby

from hypothesis import strategies as st

from load_tests.history import Kind, Output, Position, Snapshot
from load_tests.hostile import Due
from worker.core.errors import Reason

SCORED = Due(verdict=True)
DUES = [
    SCORED,
    SCORED,
    SCORED,
    Due(tombstone=True),
    Due(dead_letter=Reason.NOT_JSON),
    Due(verdict=True, dead_letter=Reason.TEXT_TOO_LONG),
]


@dataclass(frozen=True, slots=True)
class History:
    """One run: what was due, both topics' logs (in the order of reading), and the snapshots taken."""

    expected: dict[Position, Due]
    outputs: list[Output]
    snapshots: list[Snapshot]


def settle(position: Position, due: Due) -> list[Output]:
    """What a right worker writes for a position; `at` is set by `logged`."""
    at = Position(position.partition, -1)
    found = []
    if due.dead_letter is not None:
        found.append(Output(Kind.DEAD_LETTER, position, Position(0, -1), 0, reason=due.dead_letter.value))
    if due.verdict:
        found.append(Output(Kind.VERDICT, position, at, 0, decision=f"decision on {position}"))
    if due.tombstone:
        found.append(Output(Kind.TOMBSTONE, position, at, 0))
    return found


def logged(written: list[Output]) -> list[Output]:
    """The same outputs with offsets and times as the broker gives them, in the order they are read back."""
    ends: dict[tuple[bool, int], int] = {}
    found = []
    for moment, output in enumerate(written):
        log = (output.kind is Kind.DEAD_LETTER, output.at.partition)
        offset = ends.get(log, 0)
        ends[log] = offset + 1
        found.append(replace(output, at=Position(output.at.partition, offset), timestamp_ms=10 * moment))
    return sorted(found, key=lambda output: (output.kind is Kind.DEAD_LETTER, output.at))


def snapshot(written: list[Output], committed: dict[int, int]) -> Snapshot:
    """The commits, beside the ends of the logs when only `written` stood in them."""
    counts: dict[tuple[bool, int], int] = {}
    for output in written:
        log = (output.kind is Kind.DEAD_LETTER, output.at.partition)
        counts[log] = counts.get(log, 0) + 1
    outputs = {partition: count for (dead, partition), count in counts.items() if not dead}
    return Snapshot(committed, outputs, {partition: count for (dead, partition), count in counts.items() if dead})


@st.composite
def inputs(draw: st.DrawFn, at_least: int = 1) -> dict[Position, Due]:
    """Positions of a few partitions, with gaps in their offsets, and what is due for each."""
    found: dict[Position, Due] = {}
    for partition in range(draw(st.integers(1, 3))):
        for offset in draw(st.lists(st.integers(0, 60), min_size=at_least, max_size=12, unique=True).map(sorted)):
            found[Position(partition, offset)] = draw(st.sampled_from(DUES))
    return found


@st.composite
def histories(draw: st.DrawFn, at_least: int = 1) -> History:
    """Partitions are worked off in any mixture; each may crash once and repeat what was not committed."""
    expected = draw(inputs(at_least))
    turns: list[tuple[int, list[Position]]] = []
    for partition, group in groupby(expected, key=lambda position: position.partition):
        positions = list(group)
        crash = draw(st.integers(0, len(positions)))
        committed = draw(st.integers(0, crash))
        turns += [(partition, positions[:crash]), (partition, positions[committed:])]
    queues = {number: list(positions) for number, (_partition, positions) in enumerate(turns)}
    written: list[Output] = []
    done: dict[int, int] = {}
    snapshots: list[Snapshot] = []
    while any(queues.values()):
        ready = [n for n, queue in queues.items() if queue and (n % 2 == 0 or not queues[n - 1])]
        number = draw(st.sampled_from(ready))
        position = queues[number].pop(0)
        written += settle(position, expected[position])
        done[position.partition] = max(done.get(position.partition, 0), position.offset + 1)
        if draw(st.booleans()):
            snapshots.append(snapshot(written, dict(done)))
    snapshots.append(snapshot(written, dict(done)))
    return History(expected, logged(written), snapshots)
