"""Did anything go wrong? A pure check of what the broker's logs show against the promises.

Positions are (partition, offset) of the one input topic. Everything here comes from reading topics back: what was
expected from the input topic's own log, never from what a generator believes it sent.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from typing import NamedTuple

from load_tests.hostile import Due

IDLE_SECONDS = 1.0
"""A longer pause between outputs is a crash, a rebalance or the end; it does not count as working time."""


class Position(NamedTuple):
    partition: int
    offset: int


class Kind(Enum):
    VERDICT = "verdict"
    TOMBSTONE = "tombstone"
    DEAD_LETTER = "dead_letter"


@dataclass(frozen=True, slots=True)
class Output:
    """A record of the output or dead-letter topic, at `at` there. `source` None: it names no input record.

    `decision` is what a repeat must show again (verdicts: event id and scores); `reason` a dead letter's.
    """

    kind: Kind
    source: Position | None
    at: Position
    timestamp_ms: int
    decision: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The group's commits (next offset to read, by input partition), and then the ends of both topics' logs.

    The commits must have been read first: then every output below a commit had to be in the logs by these ends.
    """

    committed: Mapping[int, int]
    output_ends: Mapping[int, int]
    dead_letter_ends: Mapping[int, int]

    def holds(self, output: Output) -> bool:
        ends = self.dead_letter_ends if output.kind is Kind.DEAD_LETTER else self.output_ends
        return output.at.offset < ends.get(output.at.partition, 0)


@dataclass(slots=True)
class Report:
    """Counts, in positions of the input topic unless said otherwise; `examples` show a few of each violation.

    early_commits: committed before all its outputs were in the logs. misplaced: outputs in another partition than
    their input's (where counts are equal). unmatched: outputs that name no input record. wrong_outcomes: a verdict, tombstone or dead
    letter (or its reason) missing or too many. changed_repeats: repeats with another event id, scores or reason.
    """

    posts: int = 0
    verdicts: int = 0
    tombstones: int = 0
    dead_letters: int = 0
    lost: int = 0
    out_of_order: int = 0
    early_commits: int = 0
    misplaced: int = 0
    unmatched: int = 0
    wrong_outcomes: int = 0
    changed_repeats: int = 0
    duplicates: int = 0
    posts_per_second: float = 0.0
    busy_seconds: float = 0.0
    examples: dict[str, list[Position]] = field(default_factory=lambda: defaultdict(list))

    @property
    def failures(self) -> list[str]:
        """The promises broken; a run that shows nothing at all breaks one too."""
        kinds = ("lost", "out_of_order", "early_commits", "misplaced", "unmatched", "wrong_outcomes", "changed_repeats")
        found = [f"{kind}: {getattr(self, kind)}" for kind in kinds if getattr(self, kind)]
        if not self.posts:
            found.append("the input topic is empty: nothing was tested")
        if self.posts and self.lost == self.posts:
            found.append("nothing came out")
        return found


_EXAMPLES = 5


def check(
    expected: Mapping[Position, Due],
    outputs: Sequence[Output],
    snapshots: Sequence[Snapshot],
    *,
    same_partitions: bool = True,
    complete: bool = True,
) -> Report:
    """Check one run. `outputs` are in offset order within each partition of their topic, `snapshots` in time order.

    `same_partitions`: input and output topic have equally many, so an output belongs where its input was.
    `complete`: the run went to its end. Where it did not, what is missing could still have come and is no violation.
    """
    report = Report(posts=len(expected))
    matched: dict[Position, list[Output]] = {position: [] for position in expected}
    for output in outputs:
        if output.source is None or output.source not in matched:
            report.unmatched += 1
            report.examples["unmatched"].append(output.at)
        else:
            matched[output.source].append(output)
    _count(report, matched)
    if complete:
        _check_lost(report, matched)
    _check_outcomes(report, expected, matched, complete=complete)
    _check_order(report, matched, outputs, same_partitions=same_partitions)
    _check_commits(report, matched, snapshots)
    report.busy_seconds = busy_seconds(output.timestamp_ms for output in outputs)
    if report.busy_seconds > 0:
        report.posts_per_second = sum(map(bool, matched.values())) / report.busy_seconds
    report.examples = {kind: sorted(found)[:_EXAMPLES] for kind, found in report.examples.items()}
    return report


def busy_seconds(timestamps_ms: Iterable[int]) -> float:
    """The time in which outputs came, without pauses longer than IDLE_SECONDS."""
    gaps = ((after - before) / 1000 for before, after in pairwise(sorted(timestamps_ms)))
    return sum(gap for gap in gaps if gap <= IDLE_SECONDS)


def _count(report: Report, matched: Mapping[Position, Sequence[Output]]) -> None:
    for position, outputs in matched.items():
        kinds = Counter(output.kind for output in outputs)
        report.verdicts += kinds[Kind.VERDICT] > 0
        report.tombstones += kinds[Kind.TOMBSTONE] > 0
        report.dead_letters += kinds[Kind.DEAD_LETTER] > 0
        if any(count > 1 for count in kinds.values()):
            report.duplicates += 1
            report.examples["duplicates"].append(position)


def _check_lost(report: Report, matched: Mapping[Position, Sequence[Output]]) -> None:
    for position, outputs in matched.items():
        if not outputs:
            report.lost += 1
            report.examples["lost"].append(position)


def _check_outcomes(
    report: Report, expected: Mapping[Position, Due], matched: Mapping[Position, Sequence[Output]], *, complete: bool
) -> None:
    for position, due in expected.items():
        shown = {kind: {o.decision or o.reason for o in matched[position] if o.kind is kind} for kind in Kind}
        if any(len(variants) > 1 for variants in shown.values()):
            report.changed_repeats += 1
            report.examples["changed_repeats"].append(position)
        reasons = {due.dead_letter.value} if due.dead_letter else set()
        wanted = {Kind.VERDICT: due.verdict, Kind.TOMBSTONE: due.tombstone, Kind.DEAD_LETTER: bool(reasons)}
        too_many = shown[Kind.DEAD_LETTER] - reasons or any(shown[kind] and not wanted[kind] for kind in Kind)
        too_few = complete and any(wanted[kind] and not shown[kind] for kind in Kind)
        if matched[position] and (too_many or too_few):
            report.wrong_outcomes += 1
            report.examples["wrong_outcomes"].append(position)


def _check_order(
    report: Report,
    matched: Mapping[Position, Sequence[Output]],
    outputs: Sequence[Output],
    *,
    same_partitions: bool,
) -> None:
    seen: set[Position] = set()
    last: dict[tuple[int, int], int] = {}
    for output in outputs:
        source = output.source
        if output.kind is Kind.DEAD_LETTER or source is None or source not in matched or source in seen:
            continue
        seen.add(source)
        if same_partitions and output.at.partition != source.partition:
            report.misplaced += 1
            report.examples["misplaced"].append(source)
        way = (source.partition, output.at.partition)
        if source.offset < last.get(way, -1):
            report.out_of_order += 1
            report.examples["out_of_order"].append(source)
        last[way] = max(source.offset, last.get(way, -1))


def _check_commits(report: Report, matched: Mapping[Position, Sequence[Output]], snapshots: Sequence[Snapshot]) -> None:
    """Logs only grow, so a position found settled in one snapshot is settled in all later ones."""
    by_partition: dict[int, list[Position]] = defaultdict(list)
    for position in sorted(matched):
        by_partition[position.partition].append(position)
    checked: Counter[int] = Counter()
    for snapshot in snapshots:
        for partition, committed in snapshot.committed.items():
            positions = by_partition[partition]
            while checked[partition] < len(positions) and positions[checked[partition]].offset < committed:
                position = positions[checked[partition]]
                checked[partition] += 1
                if not _settled(matched[position], snapshot):
                    report.early_commits += 1
                    report.examples["early_commits"].append(position)


def _settled(outputs: Sequence[Output], snapshot: Snapshot) -> bool:
    """Whether every kind of output the position ever got was in the logs by then, and at least one."""
    there = {output.kind for output in outputs if snapshot.holds(output)}
    return bool(there) and there == {output.kind for output in outputs}
