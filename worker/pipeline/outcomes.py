"""Outcomes on their way to the lanes: what the event loop and the broker do for one record they do for many."""

import asyncio
from collections.abc import Callable

from worker.core.ledger import Entry
from worker.core.ports import Outcome
from worker.pipeline.jobs import Job
from worker.pipeline.lane import Lane

HOLD_SECONDS = 0.05
"""How long outcomes wait for others while more windows wait than a batch holds."""


class Outcomes:
    """Hands outcomes over at once while `at_once` is set; else many together, HOLD_SECONDS apart at most."""

    def __init__(
        self, finished: Callable[[Lane, Entry, Outcome], None], clock: Callable[[], float], *, at_once: asyncio.Event
    ) -> None:
        self._finished = finished
        self._clock = clock
        self._at_once = at_once
        self._outcomes: list[tuple[Job, Outcome]] = []
        self._handed_over_at = clock()
        self._held = asyncio.Event()  # set while some wait for others

    def add(self, job: Job, outcome: Outcome) -> None:
        """Note the outcome of a post for the next hand-over."""
        self._outcomes.append((job, outcome))

    def hand_over(self) -> None:
        """Hand over what is there, if its time has come."""
        if self._at_once.is_set() or self._clock() - self._handed_over_at >= HOLD_SECONDS:
            self._hand_over_now()
        elif self._outcomes:
            self._held.set()

    async def in_time(self) -> None:
        """Let no outcome wait longer than HOLD_SECONDS, however long the next batch takes. Run until cancelled."""
        while True:
            await self._held.wait()
            await asyncio.sleep(HOLD_SECONDS - (self._clock() - self._handed_over_at))
            self._hand_over_now()

    def _hand_over_now(self) -> None:
        self._held.clear()
        if self._outcomes:
            outcomes, self._outcomes = self._outcomes, []
            self._handed_over_at = self._clock()
            for job, outcome in outcomes:
                self._finished(job.lane, job.entry, outcome)
