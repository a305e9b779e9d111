"""A pipeline set up in the fake world, and what it reports."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from tests.pipeline.fakes import FakeSink, FakeSource, encode, prepare, score
from tests.pipeline.transactions import FakeTransactions
from tests.simulation.clock import LoopExecutor
from worker.core.breaker import Cause, State
from worker.core.errors import Reason, Rejected
from worker.core.ports import Encode, Prepare, Score, Stages
from worker.core.retry import Backoff
from worker.core.types import Outgoing, Record
from worker.pipeline import Limits, Pipeline


@dataclass
class FakeObserver:
    """Remembers what the pipeline reports."""

    reasons: list[Reason] = field(default_factory=list)
    read: list[int] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    lookups: list[tuple[int, int, int]] = field(default_factory=list)
    commits: list[bool] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    most_posts: int = 0
    rewinds: int = 0
    breaker_states: list[tuple[State, Cause]] = field(default_factory=list)
    breaker_reasons: list[str] = field(default_factory=list)

    def consumed(self, record: Record) -> None:
        self.read.append(record.offset)

    def rejected(self, rejected: Rejected) -> None:
        self.reasons.append(rejected.reason)

    def tokenised(self, posts: int, seconds: float) -> None: ...

    def looked_up(self, hits: int, shared: int, misses: int) -> None:
        self.lookups.append((hits, shared, misses))

    def queued(self, record: Record, seconds: float) -> None: ...

    def scored(self, posts: int, tokens: int, padded_tokens: int, seconds: float) -> None:
        del tokens, padded_tokens, seconds
        self.batches.append(posts)

    def acknowledged(self, record: Record, outputs: Sequence[Outgoing]) -> None:
        del outputs
        self.done.append(record.offset)

    def committed(self, ok: bool) -> None:
        self.commits.append(ok)

    def in_flight(self, posts: int, size: int) -> None:
        del size
        self.most_posts = max(self.most_posts, posts)

    def paused(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def rewound(self) -> None:
        self.rewinds += 1

    def breaker(self, state: State, cause: Cause, last: str) -> None:
        self.breaker_states.append((state, cause))
        self.breaker_reasons.append(last)


BACKOFF = Backoff(base=0.1, cap=1.0, deadline=60.0)


class Rig:
    """A running pipeline in its world. `delays`: how long each call in a thread takes, in order; then 0."""

    def __init__(
        self,
        *records: Record,
        limits: Limits | None = None,
        automatic: bool = True,
        ends: bool = False,
        prepare: Prepare = prepare,
        score: Score = score,
        encode: Encode = encode,
        delays: Iterable[float] = (),
        transactional: bool = False,
        around: Callable[[Stages], Stages] = lambda stages: stages,
    ) -> None:
        self.source = FakeSource(*records, ends=ends)
        self.transactions = FakeTransactions(self.source, automatic=automatic) if transactional else None
        self.sink = self.transactions or FakeSink(automatic=automatic)
        self.observer = FakeObserver()
        self._delays = iter(delays)
        self.pipeline = Pipeline(
            **around(Stages(self.source, prepare, encode, self.observer))._asdict(),
            sink=self.sink,
            score=score,
            limits=replace(limits or Limits(), backoff=BACKOFF),
            clock=asyncio.get_running_loop().time,
            executor=lambda threads, _name: LoopExecutor(threads, lambda: next(self._delays, 0.0)),
            transactions=self.transactions,
        )
        self.running: asyncio.Task[None] = asyncio.ensure_future(self.pipeline.run())

    async def settle(self, seconds: float = 0.01) -> None:
        """Let all happen that can within these (virtual) seconds."""
        await asyncio.sleep(seconds)

    async def stop(self) -> None:
        """A clean stop; what was charged must have been returned, once."""
        self.pipeline.stop()
        await self.running
        self.nothing_is_charged()

    def nothing_is_charged(self) -> None:
        assert (self.pipeline._budget.posts, self.pipeline._budget.bytes) == (0, 0)
        assert not self.pipeline.lanes
