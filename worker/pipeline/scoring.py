"""Work-conserving batches: a free scorer takes what is waiting, up to the token budget."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import islice

from worker.core.batching import LOOK_AHEAD, plan
from worker.core.errors import Reason, Rejected
from worker.core.ledger import Entry
from worker.core.pooling import pool
from worker.core.ports import Observer, Outcome, Score
from worker.core.types import Scorable, Scored, Scores, Window
from worker.pipeline.lane import Lane


@dataclass(slots=True, eq=False)
class Job:
    """A post being scored: its windows come back in any order, from any batch."""

    lane: Lane
    entry: Entry
    post: Scorable
    scores: list[Scores] = field(default_factory=list)
    failed: bool = False

    @property
    def wanted(self) -> bool:
        """Whether its outcome still matters."""
        return not (self.failed or self.lane.closed)


@dataclass(slots=True, eq=False)
class Item:
    """One window in the queue."""

    job: Job
    window: Window
    queued_at: float


class Scoring:
    """The queue of windows and the scorers that empty it."""

    def __init__(
        self,
        score: Score,
        *,
        executor: Executor,
        batch_tokens: int,
        observer: Observer,
        finished: Callable[[Lane, Entry, Outcome], None],
        clock: Callable[[], float],
    ) -> None:
        self._score = score
        self._executor = executor
        self._batch_tokens = batch_tokens
        self._observer = observer
        self._finished = finished
        self._clock = clock
        self._queue: deque[Item] = deque()
        self._waiting = asyncio.Event()

    def put(self, lane: Lane, entry: Entry, post: Scorable) -> None:
        """Queue all windows of a post."""
        job = Job(lane, entry, post)
        now = self._clock()
        self._queue.extend(Item(job, window, now) for window in post.windows)
        self._waiting.set()

    async def work(self) -> None:
        """Score batch after batch, until cancelled. Run one of these for each scoring thread."""
        while True:
            batch = self._take()
            if batch:
                now = self._clock()
                for item in batch:
                    self._observer.queued(item.job.entry.record, now - item.queued_at)
                await self._run(batch)
            else:
                self._waiting.clear()
                await self._waiting.wait()

    def _take(self) -> list[Item]:
        """Remove the next batch from the queue; what no longer matters is dropped on the way."""
        while self._queue and not self._queue[0].job.wanted:
            self._queue.popleft()
        head = list(islice(self._queue, LOOK_AHEAD))
        chosen = plan([len(item.window) for item in head], self._batch_tokens)
        for _ in head:
            self._queue.popleft()
        kept = set(chosen)
        self._queue.extendleft(item for i, item in reversed(list(enumerate(head))) if i not in kept)
        return [head[i] for i in chosen]

    async def _run(self, batch: Sequence[Item]) -> None:
        """Score one batch; where that fails, its halves, down to the one post that cannot be scored."""
        try:
            scores, seconds = await asyncio.get_running_loop().run_in_executor(self._executor, self._timed, batch)
        except Exception as error:  # noqa: BLE001 - whatever the model raises, every post of the batch is settled
            await self._divide(batch, error)
            return
        lengths = [len(item.window) for item in batch]
        self._observer.scored(len(batch), sum(lengths), max(lengths) * len(batch), seconds)
        for item, found in zip(batch, scores, strict=True):
            self._settle(item, found)

    async def _divide(self, batch: Sequence[Item], error: Exception) -> None:
        wanted = [item for item in batch if item.job.wanted]
        if len({item.job for item in batch}) == 1:
            if wanted:
                self._reject(wanted[0].job, f"the model raised {type(error).__name__}")
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
        job = item.job
        if not job.wanted:
            return
        if not all(0.0 <= score <= 1.0 for score in scores):  # NaN too: it must never pass as harmless
            self._reject(job, "the model returned a score outside [0, 1]")
            return
        job.scores.append(scores)
        if len(job.scores) == len(job.post.windows):
            self._finished(job.lane, job.entry, Scored(job.post.post, pool(job.scores), len(job.scores)))

    def _reject(self, job: Job, detail: str) -> None:
        job.failed = True
        self._finished(job.lane, job.entry, Rejected(Reason.MODEL_FAILED, detail, job.post.post))
