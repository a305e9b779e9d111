"""Does what the schedule says to running workers and their broker, and writes down what happened when."""

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

from aiokafka.errors import KafkaError

from load_tests.chaos.faults import Faults
from load_tests.chaos.schedule import Fault, Kind
from load_tests.corpus import Keyed
from load_tests.drive import RunError, say
from load_tests.history import Snapshot
from load_tests.watch import Watch
from load_tests.workers import Worker
from tests.harness import Kafka
from tests.harness.gate import Gate
from tests.harness.topics import produce

BACKLOG = 1200
"""Records that wait when a fault begins: one that hits an idle worker proves nothing."""
PATIENCE_SECONDS = 120.0
TICK_SECONDS = 0.1
NO_BROKER = re.compile("^moderation-worker: (no broker answers|cannot connect to Kafka)", re.MULTILINE)
"""How the log of a start without a broker ends: an orchestrator tries again."""


@dataclass(frozen=True, slots=True)
class Event:
    """A fault as it happened: seconds since the start of the run, and what was open on the victim when it began."""

    kind: Kind
    victim: str
    begun: float
    ended: float
    open_positions: int


@dataclass(slots=True)
class Seen:
    """What was seen of a run. `progress`: seconds, records in the input, committed. `restarts`: workers that gave up.

    A start without a broker gives up, and so may a worker without memory; an end for any other reason is a failure.
    """

    events: list[Event] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    progress: list[tuple[float, int, int]] = field(default_factory=list)
    restarts: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


class Chaos:
    """One run: `records` (without end) are fed as the workers keep up with them; `draw` chooses the victims.

    `gates`: what each worker, by its name, passes through. Implements Stage.
    """

    def __init__(
        self,
        kafka: Kafka,
        watch: Watch,
        gates: Mapping[str, Gate],
        workers: Sequence[Worker],
        topic: str,
        records: Iterator[Keyed],
        draw: random.Random,
    ) -> None:
        self.seen = Seen()
        self._kafka = kafka
        self._watch = watch
        self._workers = workers
        self._topic = topic
        self._records = records
        self._draw = draw
        self._started = time.monotonic()
        self._open: dict[str, int] = {}  # positions by worker, when all were last found busy
        self._share = 0  # of the posts, to be fed before the next fault
        self._faults = Faults(kafka, gates, workers, self, draw)

    async def run(self, faults: Sequence[Fault], posts: int) -> None:
        """Start, do every fault while the workers are fed, and feed them `posts` in all at least; drain, stop.

        Raises RunError where that cannot be done.
        """
        for worker in self._workers:
            worker.start()
        await self.until(self.shared, "all workers to hold partitions")
        for number, fault in enumerate(faults):
            self._share = posts * number // len(faults)
            await self.until(self._busy, "every worker to have work")
            victim, open_positions = self._victim()
            begun = self._now()
            await self._faults.do(fault, victim)
            event = Event(fault.kind, victim.name, round(begun, 2), round(self._now(), 2), open_positions)
            self.seen.events.append(event)
            self._tell(event, number + 1, len(faults))
        await self.until(lambda: self._fed(posts), "the rest of the posts to be fed")
        await self.until(self._drained, "every position to be committed")
        await self._stop()

    def _victim(self) -> tuple[Worker, int]:
        """One of the workers, which all have open positions, and how many it has."""
        victim = self._draw.choice(self._workers)
        return victim, self._open.get(victim.name, 0)

    def _tell(self, event: Event, number: int, of: int) -> None:
        left = self._now() / number * (of - number)
        say(
            f"{number}/{of} {event.kind} {event.victim}: {event.open_positions} positions were open, "
            f"{self.seen.progress[-1][1]} records fed, {self._now():.0f} s; {left / 60:.0f} min of faults left"
        )

    async def _work(self) -> dict[str, int]:
        ends, committed = await self._watch.input_ends(), await self._watch.committed()
        return {
            name: sum(ends[p] - committed.get(p, 0) for p in partitions)
            for name, partitions in await self._watch.members()
        }

    # What is waited for

    async def shared(self) -> bool:
        """Whether every worker holds partitions, and nobody else."""
        held = await self._watch.members()
        working = sorted(name for name, partitions in held if partitions)
        return len(held) == len(working) and working == sorted(worker.name for worker in self._workers)

    async def _busy(self) -> bool:
        _, fed, committed = self.seen.progress[-1]
        if (wanted := BACKLOG - (fed - committed)) > BACKLOG // 4:
            await self._feed(wanted)
        self._open = await self._work()
        return (
            fed >= self._share and await self.shared() and all(self._open.get(worker.name) for worker in self._workers)
        )

    async def _fed(self, posts: int) -> bool:
        if (missing := posts - self.seen.progress[-1][1]) > 0:
            await self._feed(missing)
        return missing <= 0

    async def gone(self, worker: Worker) -> bool:
        """Whether the group has given a worker up."""
        held = await self._watch.members()
        return bool(held) and worker.name not in {name for name, _ in held}

    async def _drained(self) -> bool:
        _, fed, committed = self.seen.progress[-1]
        return fed == committed

    async def until(self, reached: Callable[[], Awaitable[bool]], what: str) -> None:
        """Wait for it, and look at the logs meanwhile, once at least. Raises RunError where nothing moves any more."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            with suppress(KafkaError, OSError):  # the broker is busy coming back
                before = self.seen.progress[-1:]
                await self._snapshot()
                if before and before[0][2] != self.seen.progress[-1][2]:
                    deadline = time.monotonic() + PATIENCE_SECONDS
                if await reached():
                    return
            self._look_after()
            if time.monotonic() > deadline:
                logs = "\n".join(f"{worker.name}:\n{worker.tail(1500)}" for worker in self._workers)
                raise RunError(f"nothing moved for {PATIENCE_SECONDS:.0f} s while waiting for {what}. Logs:\n{logs}")
            await asyncio.sleep(TICK_SECONDS)

    def _look_after(self) -> None:
        """Start again who gave up by itself, as an orchestrator does."""
        for worker in self._workers:
            if worker.name not in self._faults.down and (status := worker.ended()) is not None:
                ended = f"{worker.name} ended by itself with status {status}"
                self.seen.restarts.append(ended)
                if worker.name not in self._faults.starved and not NO_BROKER.search(worker.tail(800)):
                    self.seen.failures.append(ended)
                say(f"{ended}; starting it again. Its log:\n{worker.tail(800)}")
                worker.wait()  # reaped
                worker.start()

    async def _snapshot(self) -> None:
        snapshot = await self._watch.snapshot()
        self.seen.snapshots.append(snapshot)
        ends = await self._watch.input_ends()
        self.seen.progress.append((round(self._now(), 2), sum(ends.values()), sum(snapshot.committed.values())))

    async def _feed(self, count: int) -> None:
        await produce(self._kafka.bootstrap, self._topic, islice(self._records, count))
        await self._snapshot()

    async def _stop(self) -> None:
        for worker in self._workers:
            await self._faults.terminate(worker)

    def _now(self) -> float:
        return time.monotonic() - self._started
