"""What waits for scores: posts, and their windows."""

from dataclasses import dataclass, field

from worker.core.ledger import Entry
from worker.core.types import Scorable, Scores, Window
from worker.pipeline.lane import Lane


@dataclass(slots=True, eq=False)
class Job:
    """A post being scored: its windows come back in any order, from any batch."""

    lane: Lane
    entry: Entry
    post: Scorable
    queued_at: float
    scores: list[Scores] = field(default_factory=list)
    failed: bool = False

    @property
    def wanted(self) -> bool:
        """Whether its outcome still matters."""
        return not (self.failed or self.lane.closed)


@dataclass(slots=True, eq=False)
class Item:
    """One window in the queue, and the posts that have it. `name`: what it is found again by; None: it is not."""

    window: Window
    jobs: list[Job]
    name: bytes | None = None

    @property
    def wanted(self) -> bool:
        """Whether any post still waits for it."""
        return any(job.wanted for job in self.jobs)
