"""Between the budget and the poll: how many records the breaker lets in, and what it hears of their outcomes."""

from collections.abc import Callable, Sequence

from worker.core.breaker import Breaker, BreakerRule, Cause, Evidence, State, evidence
from worker.core.budget import Budget
from worker.core.errors import Rejected
from worker.core.ports import Observer, Outcome
from worker.core.types import Channel, Expired, Outgoing, Tombstone

_KINDS = {Evidence.FAILING: Cause.FAILING, Evidence.UNREADABLE: Cause.UNREADABLE}


class IntakeGate:
    """Lets all in without a rule. What is in flight when it closes is finished as ever."""

    def __init__(
        self, rule: BreakerRule | None, budget: Budget, observer: Observer, clock: Callable[[], float]
    ) -> None:
        self._breaker = None if rule is None else Breaker(rule)
        self._budget = budget
        self._observer = observer
        self._clock = clock
        self._told = State.CLOSED
        self._last: dict[Cause, str] = {}  # the last rejection for each cause, in words

    def admits(self, room: int) -> int:
        """Records that the next poll may bring, of the `room` that memory has."""
        if self._breaker is None:
            return room
        admitted = self._breaker.allowance(room, self._budget.posts, self._clock())
        self._tell(self._breaker)
        return admitted

    def settled(self, outcome: Outcome, outputs: Sequence[Outgoing]) -> None:
        """A record got its outcome, and these outputs."""
        if self._breaker is None or isinstance(outcome, Tombstone):
            return
        if isinstance(outcome, Rejected):
            found, said = evidence(outcome.reason), str(outcome)
        elif isinstance(outcome, Expired):
            found, said = Evidence.AUTHORS, ""
        elif any(outgoing.channel is Channel.DEAD_LETTER for outgoing in outputs):
            found, said = Evidence.FAILING, "scores that gave no verdict"
        else:
            found, said = Evidence.SCORED, ""
        if (cause := _KINDS.get(found)) is not None:
            self._last[cause] = said
        self._breaker.note(found, self._clock())
        self._tell(self._breaker)

    def _tell(self, breaker: Breaker) -> None:
        if breaker.state is not self._told and breaker.cause is not None:
            self._told = breaker.state
            self._observer.breaker(breaker.state, breaker.cause, self._last.get(breaker.cause, ""))
