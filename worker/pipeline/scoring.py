"""Work-conserving batches: a free scorer takes what is waiting, up to the token budget.

What was scored lately is not scored again, and what is waiting or being scored for one post serves every other that has
the same window: a score does not depend on its batch, so a score that is kept is the one that would come out.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from itertools import islice
from typing import Any

from worker.core.batching import LOOK_AHEAD, plan
from worker.core.errors import Reason, Rejected
from worker.core.known import Known, fingerprint
from worker.core.ledger import Entry
from worker.core.pooling import pool
from worker.core.ports import Observer, Outcome, Score
from worker.core.types import Scorable, Scored, Scores
from worker.pipeline.jobs import Item, Job
from worker.pipeline.lane import Lane
from worker.pipeline.outcomes import Outcomes

READ_SECONDS = 0.05
"""How long records wait in the broker for others while more windows wait than a batch holds: see `Scoring.wanted`."""


class Scoring:
    """The queue of windows and the scorers that empty it: the executor's `threads`."""

    def __init__(
        self,
        score: Score,
        *,
        executor: Executor,
        threads: int,
        batch_tokens: int,
        known: int,
        observer: Observer,
        finished: Callable[[Lane, Entry, Outcome], None],
        clock: Callable[[], float],
    ) -> None:
        self._score = score
        self._executor = executor
        self._threads = threads
        self._running = 0  # batches, with the one that is ready
        self._batch_tokens = batch_tokens
        self._observer = observer
        self._clock = clock
        self._queue: deque[Item] = deque()
        self._known = Known(known) if known else None
        self._awaited: dict[bytes, Item] = {}
        self._waiting = asyncio.Event()
        self._fits = asyncio.Event()  # set while one batch holds all that waits
        self._fits.set()
        self._outcomes = Outcomes(finished, clock, at_once=self._fits)

    def put(self, lane: Lane, entry: Entry, post: Scorable) -> None:
        """Queue all windows of a post, but for those whose scores are known or on their way. May finish it at once."""
        job = Job(lane, entry, post, self._clock())
        if self._known is None:
            self._queue.extend(Item(window, [job]) for window in post.windows)
        else:
            self._put_new(job, self._known)
        self._waiting.set()
        self._outcomes.hand_over()

    def _put_new(self, job: Job, known: Known) -> None:
        hits = shared = 0
        for window in job.post.windows:
            name = fingerprint(window)
            if (scores := known.get(name)) is not None:
                hits += 1
                self._add(job, scores)
            elif (item := self._awaited.get(name)) is not None:
                shared += 1
                item.jobs.append(job)
            else:
                self._awaited[name] = item = Item(window, [job], name)
                self._queue.append(item)
        self._observer.looked_up(hits, shared, len(job.post.windows) - hits - shared)

    async def wanted(self) -> None:
        """Wait until one batch holds all that waits, READ_SECONDS at most: the later poll brings more records at once."""
        if not self._fits.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(READ_SECONDS):
                    await self._fits.wait()

    def loops(self) -> list[Coroutine[Any, Any, None]]:
        """What to run until it is cancelled: one loop more than threads, so that a full batch is ready for the next free one.

        It need not wait for the event loop then.
        """
        return [*(self._work() for _ in range(self._threads + 1)), self._outcomes.in_time()]

    async def _work(self) -> None:
        while True:
            if batch := self._take():
                now = self._clock()
                for job in (job for item in batch for job in item.jobs):
                    self._observer.queued(job.entry.record, now - job.queued_at)
                self._running += 1
                await self._run(batch)
                self._running -= 1
            else:
                self._outcomes.hand_over()
                self._waiting.clear()
                await self._waiting.wait()

    def _take(self) -> list[Item]:
        """Remove the next batch from the queue; what no longer matters is dropped on the way.

        Empty where no thread is free, unless more waits than a batch holds: until one is, others may join it.
        """
        while self._queue and not self._queue[0].wanted:
            self._leave(self._queue.popleft())
        head = list(islice(self._queue, LOOK_AHEAD))
        chosen = plan([len(item.window) for item in head], self._batch_tokens)
        if len(chosen) == len(self._queue):
            self._fits.set()
        else:
            self._fits.clear()
        if self._running >= self._threads and self._fits.is_set():
            return []
        for _ in head:
            self._queue.popleft()
        kept = set(chosen)
        self._queue.extendleft(item for i, item in reversed(list(enumerate(head))) if i not in kept)
        return [head[i] for i in chosen]

    async def _run(self, batch: Sequence[Item]) -> None:
        """Score one batch; where that fails, its halves, down to the one post that cannot be scored."""
        scoring = asyncio.get_running_loop().run_in_executor(self._executor, self._timed, batch)
        self._outcomes.hand_over()  # of the batch before, while this one is scored
        try:
            scores, seconds = await scoring
        except Exception as error:  # noqa: BLE001 - whatever the model raises, every post of the batch is settled
            await self._divide(batch, error)
            return
        lengths = [len(item.window) for item in batch]
        self._observer.scored(len(batch), sum(lengths), max(lengths) * len(batch), seconds)
        for item, found in zip(batch, scores, strict=True):
            self._settle(item, found)

    async def _divide(self, batch: Sequence[Item], error: Exception) -> None:
        wanted = [item for item in batch if item.wanted]
        for item in batch:
            if not item.wanted:
                self._leave(item)
        if all(item.jobs == batch[0].jobs for item in batch):
            for item in wanted:
                self._reject(item, f"the model raised {type(error).__name__}")
        elif wanted and len(wanted) < len(batch):  # what is dropped meanwhile may have been the cause
            await self._run(wanted)
        elif wanted:
            middle = len(wanted) // 2
            await self._run(wanted[:middle])
            await self._run(wanted[middle:])

    def _timed(self, batch: Sequence[Item]) -> tuple[list[Scores], float]:
        start = self._clock()
        scores = self._score([item.window for item in batch])
        if len(scores) != len(batch):
            raise ValueError(f"{len(scores)} scores for {len(batch)} windows")
        return scores, self._clock() - start

    def _settle(self, item: Item, scores: Scores) -> None:
        if not all(0.0 <= score <= 1.0 for score in scores):  # NaN too: it must never pass as harmless
            self._reject(item, "the model returned a score outside [0, 1]")
            return
        self._leave(item)
        if self._known is not None and item.name is not None:
            self._known.put(item.name, scores)
        for job in item.jobs:
            self._add(job, scores)

    def _add(self, job: Job, scores: Scores) -> None:
        job.scores.append(scores)
        if job.wanted and len(job.scores) == len(job.post.windows):
            self._outcomes.add(job, Scored(job.post.post, pool(job.scores), len(job.scores)))

    def _reject(self, item: Item, detail: str) -> None:
        self._leave(item)
        for job in item.jobs:
            if job.wanted:
                job.failed = True
                self._outcomes.add(job, Rejected(Reason.MODEL_FAILED, detail, job.post.post))

    def _leave(self, item: Item) -> None:
        """Nobody can wait for it any more."""
        if item.name is not None:
            self._awaited.pop(item.name, None)
