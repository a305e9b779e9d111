"""A windowed breaker over failures that no author can cause: it pauses intake, and tries again after a cool-down.

What an author writes never counts, or one author could stop everybody's moderation. Nothing is dropped while the
breaker is open; what would have been rejected waits in its topic.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum

from worker.core.errors import Reason

BUCKETS = 10
"""The window slides in so many steps: what counts is at most a tenth of it too old."""


class State(IntEnum):
    """Open: nothing is taken in. Half-open: a few records are, to see whether the cause is mended."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Cause(StrEnum):
    """What opened the breaker. Values are stable: they appear in metrics."""

    FAILING = "failing"
    UNREADABLE = "unreadable"


class Evidence(Enum):
    """What the outcome of one record says. A tombstone says nothing."""

    SCORED = "scored"
    AUTHORS = "authors"  # readable, but for what its author did, or its age, no model was asked
    FAILING = "failing"
    UNREADABLE = "unreadable"


_EVIDENCE: Mapping[Reason, Evidence] = {
    Reason.MODEL_FAILED: Evidence.FAILING,
    Reason.INTERNAL: Evidence.FAILING,
    # One record by one author may be any of these where authors write records; nearly all records, only by a producer.
    Reason.NOT_JSON: Evidence.UNREADABLE,
    Reason.NOT_UTF8: Evidence.UNREADABLE,
    Reason.NOT_AN_OBJECT: Evidence.UNREADABLE,
    Reason.TOO_DEEP: Evidence.UNREADABLE,
    Reason.DUPLICATE_KEY: Evidence.UNREADABLE,
    Reason.SCHEMA: Evidence.UNREADABLE,
    Reason.NO_REGISTRY_HEADER: Evidence.UNREADABLE,
}


def evidence(reason: Reason) -> Evidence:
    """What a rejection for `reason` says."""
    return _EVIDENCE.get(reason, Evidence.AUTHORS)


@dataclass(frozen=True, slots=True)
class BreakerRule:
    """When to open and how to try again. Times in seconds.

    `failing_ratio`: share of failures among records that were scored or failed. `unreadable_ratio`: share of records
    that are no posts among all but tombstones. Either opens the breaker once it is reached by `minimum` records or
    more within `window`; after `cool_down` the outcomes of `probe` records decide, by the same ratios.
    """

    failing_ratio: float = 0.5
    unreadable_ratio: float = 0.95
    window: float = 60.0
    minimum: int = 50
    cool_down: float = 30.0
    probe: int = 10


class Breaker:
    """Closed, open until a time, or half-open. `now` is monotonic, in seconds, and never goes back."""

    def __init__(self, rule: BreakerRule) -> None:
        self._rule = rule
        self._until = 0.0
        self._window = _Window(rule.window)
        self._probed = dict.fromkeys(Evidence, 0)
        self.state = State.CLOSED
        self.cause: Cause | None = None
        """Why it opened last; None before it ever did."""

    def note(self, found: Evidence, now: float) -> None:
        """A record got its outcome. While open that changes nothing: it was taken in before."""
        match self.state:
            case State.CLOSED:
                self._window.add(found, now)
                if cause := self._bad(self._window.counts, self._rule.minimum):
                    self._open(cause, now)
            case State.HALF_OPEN:
                self._probed[found] += 1
                if cause := self._bad(self._probed, self._rule.probe):
                    self._open(cause, now)
                elif _sample(self.cause, self._probed) >= self._rule.probe:
                    self.state = State.CLOSED
                    self._window = _Window(self._rule.window)
            case State.OPEN:
                pass

    def allowance(self, room: int, in_flight: int, now: float) -> int:
        """How many of `room` records may be taken in while `in_flight` are. Half-opens once the cool-down is over.

        Half-open, records whose outcome got lost in a rebalance leave `in_flight`, and others may be tried instead.
        """
        if self.state is State.OPEN and now >= self._until:
            self.state = State.HALF_OPEN
            self._probed = dict.fromkeys(Evidence, 0)
        match self.state:
            case State.CLOSED:
                return room
            case State.HALF_OPEN:
                missing = self._rule.probe - _sample(self.cause, self._probed) - in_flight
                return max(0, min(room, missing))
            case State.OPEN:
                return 0

    def _open(self, cause: Cause, now: float) -> None:
        self.state, self.cause, self._until = State.OPEN, cause, now + self._rule.cool_down

    def _bad(self, counts: Mapping[Evidence, int], minimum: int) -> Cause | None:
        for cause, kind, ratio in (
            (Cause.FAILING, Evidence.FAILING, self._rule.failing_ratio),
            (Cause.UNREADABLE, Evidence.UNREADABLE, self._rule.unreadable_ratio),
        ):
            sample = _sample(cause, counts)
            if sample >= minimum and counts[kind] >= ratio * sample:
                return cause
        return None


def _sample(cause: Cause | None, counts: Mapping[Evidence, int]) -> int:
    if cause is Cause.FAILING:
        return counts[Evidence.SCORED] + counts[Evidence.FAILING]
    return sum(counts.values())


class _Window:
    """Counts of the last seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._buckets: deque[tuple[float, dict[Evidence, int]]] = deque()
        self.counts = dict.fromkeys(Evidence, 0)

    def add(self, found: Evidence, now: float) -> None:
        while self._buckets and self._buckets[0][0] <= now - self._seconds:
            for kind, count in self._buckets.popleft()[1].items():
                self.counts[kind] -= count
        if not self._buckets or now - self._buckets[-1][0] >= self._seconds / BUCKETS:
            self._buckets.append((now, dict.fromkeys(Evidence, 0)))
        self._buckets[-1][1][found] += 1
        self.counts[found] += 1
