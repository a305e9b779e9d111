"""What came of a run: the checker's counts in one object, and a picture of when what happened."""

from dataclasses import asdict, dataclass
from pathlib import Path

from load_tests.chaos.drive import Seen
from load_tests.chaos.schedule import GENTLE, Kind
from load_tests.history import Report


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run, judged. `delivery` exactly_once allows no repeat at all, nor do workers that were only told to end."""

    seed: int
    delivery: str
    report: Report
    seen: Seen

    @property
    def failures(self) -> list[str]:
        """The promises broken, and what kept the run from being a test of them."""
        found = [*self.report.failures, *self.seen.failures]
        gentle = GENTLE.issuperset(event.kind for event in self.seen.events)
        if self.report.duplicates and (self.delivery == "exactly_once" or gentle):
            found.append(f"duplicates: {self.report.duplicates}")
        idle = [event for event in self.seen.events if not event.open_positions]
        return found + [f"{event.kind} at {event.begun:.0f} s hit {event.victim}, which was idle" for event in idle]

    def summary(self) -> dict[str, object]:
        """One JSON-able object: the seed replays the schedule."""
        report, events = self.report, self.seen.events
        return {
            "seed": self.seed,
            "delivery": self.delivery,
            "faults": len(events),
            "kinds": {kind.value: sum(event.kind is kind for event in events) for kind in Kind},
            "posts": report.posts,
            "lost": report.lost,
            "duplicated": report.duplicates,
            "out_of_order": report.out_of_order,
            "early_commits": report.early_commits,
            "misplaced": report.misplaced,
            "wrong_outcomes": report.wrong_outcomes,
            "changed_repeats": report.changed_repeats,
            "gave_up": len(self.seen.restarts),
            "snapshots": len(self.seen.snapshots),
            "seconds": round(self.seen.progress[-1][0]) if self.seen.progress else 0,
            "failures": self.failures,
        }

    def history(self) -> dict[str, object]:
        """The summary, every fault as it happened, and positions of each violation."""
        examples = {kind: [tuple(position) for position in found] for kind, found in self.report.examples.items()}
        return self.summary() | {
            "events": [asdict(event) for event in self.seen.events],
            "restarts": self.seen.restarts,
            "progress": self.seen.progress,
            "examples": examples,
        }


def draw(outcome: Outcome, path: Path) -> None:
    """A timeline: records in the input and committed, and under them a bar for each fault, a row for each kind."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import, and only a picture

    figure = Figure(figsize=(12, 7), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 3))
    times, fed, committed = zip(*outcome.seen.progress, strict=True)
    above.fill_between(times, committed, fed, alpha=0.3, label="waiting")
    above.plot(times, fed, label="in the input")
    above.plot(times, committed, label="committed")
    above.set_ylabel("records")
    above.legend(loc="upper left")
    kinds = list(Kind)
    for event in outcome.seen.events:
        width = max(event.ended - event.begun, 0.3)
        below.barh(kinds.index(event.kind), width, left=event.begun, color=f"C{kinds.index(event.kind)}")
    below.set_yticks(range(len(kinds)), [kind.value for kind in kinds])
    below.set_xlabel("seconds")
    figure.suptitle(
        f"{outcome.delivery}, seed {outcome.seed}: {len(outcome.seen.events)} faults, {outcome.report.posts:,} posts, "
        f"{outcome.report.lost} lost, {outcome.report.duplicates} twice"
    )
    figure.savefig(path, dpi=110)
