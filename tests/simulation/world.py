"""Workers, partitions and misfortune, all from one seed."""

import asyncio
import random
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from tests.pipeline.fakes import encode, prepare, score
from tests.pipeline.rig import FakeObserver
from tests.simulation.broker import Broker
from tests.simulation.client import Faults, MemorySink, MemorySource
from tests.simulation.clock import LoopExecutor, VirtualLoop
from worker.core.errors import Fatal
from worker.core.retry import Backoff
from worker.core.types import Partition, Record
from worker.pipeline import Limits, Pipeline

LIMITS = Limits(
    max_posts=20,
    batch_tokens=8,
    known_windows=3,
    scoring_threads=2,
    commit_interval=0.5,
    drain_timeout=3.0,
    pause_after=0.3,
    backoff=Backoff(base=0.1, cap=2.0, deadline=15.0),
)
SESSION_TIMEOUT = 4.0
CLEAN = Faults(latency=0.05)
DIRTY = Faults(
    latency=0.3,
    commit_lost=0.1,
    commit_answer_lost=0.1,
    send_raises=0.005,
    send_waits=0.01,
    output_lost=0.01,
    acknowledgement_lost=0.02,
    reset_raises=0.2,
)
VALUES = [b"1"] * 6 + [b"1 2 3", b"1|2|3", b"bad", b"666", b"999|1", None]
"""Ordinary posts, long ones, records that are no posts, posts the model fails on, tombstones."""


@dataclass(frozen=True)
class Scenario:
    """What may go wrong. `slow`: longest time one call of the model takes."""

    faults: Faults
    crashes: bool
    slow: float
    seconds: float = 15.0


SCALING = Scenario(CLEAN, crashes=False, slow=0.2)
"""Workers come and go in an orderly way, and nothing else happens."""
EVERYTHING = Scenario(DIRTY, crashes=True, slow=2.0)
"""Crashes, lost heartbeats, outages, lost commits, outputs and acknowledgements, drains that run out of time."""


class Worker:
    """One process: it ends by a stop, by a crash or by a Fatal of its own."""

    def __init__(self, broker: Broker, chance: Random, faults: Faults, slow: float) -> None:
        self.source = MemorySource(broker, faults, chance)
        self.sink = MemorySink(broker, faults, chance)
        self._broker = broker
        self._isolated = False
        self.pipeline = Pipeline(
            source=self.source,
            sink=self.sink,
            prepare=prepare,
            score=score,
            encode=encode,
            observer=FakeObserver(),
            limits=LIMITS,
            clock=asyncio.get_running_loop().time,
            executor=lambda threads, _name: LoopExecutor(threads, lambda: chance.uniform(0, slow)),
        )
        self.life = asyncio.ensure_future(self._live())

    @property
    def alive(self) -> bool:
        return not (self.life.done() or self.source.dead)

    async def _live(self) -> None:
        try:
            await self.pipeline.run()
        except* Fatal:
            self._die()
        else:
            await self.source.leave()
            await self.sink.stop()
            charged = self.pipeline._budget
            if (charged.posts, charged.bytes) != (0, 0):
                self._broker.violations.append(f"{charged.posts} posts are still charged after a clean end")

    async def stop(self) -> None:
        self.pipeline.stop()
        await asyncio.wait([self.life])

    def crash(self) -> None:
        self._die()
        self.life.cancel()

    def _die(self) -> None:
        self.source.dead = True
        self.sink.crash()
        asyncio.get_running_loop().call_later(SESSION_TIMEOUT, self._broker.leave, self.source)

    async def lose_heartbeats(self, seconds: float) -> None:
        """The group goes on without this worker, which learns of it only later."""
        if self._isolated:
            return
        self._isolated = True
        self._broker.leave(self.source)
        await asyncio.sleep(seconds)
        if self.alive:
            await self.source.revoke()
        if self.alive:
            self._broker.join(self.source)
        self._isolated = False


class Simulation:
    """One run of a scenario. `problems` after it: promises broken, and surprises of the event loop."""

    def __init__(self, seed: int, scenario: Scenario) -> None:
        self._chance = Random(seed)
        self._scenario = scenario
        self._faults = replace(scenario.faults)
        self._broker = Broker(
            self._chance.randint(1, 4), chance=self._chance, rebalance_timeout=self._chance.choice([2.0, 6.0])
        )
        if not scenario.crashes:
            self._broker._rebalance_timeout = 60.0
        self._workers: list[Worker] = []
        self._ever: list[Worker] = []
        self._background: set[asyncio.Task[None]] = set()

    async def run(self) -> list[str]:
        asyncio.get_running_loop().set_exception_handler(self._surprise)
        self._start()
        feeding = [asyncio.ensure_future(self._feed(partition)) for partition in self._broker.partitions]
        await self._misfortune()
        await asyncio.gather(*feeding, *self._background)
        await self._heal()
        await asyncio.gather(*(worker.stop() for worker in self._workers))
        self._check()
        return self._broker.violations

    def trace(self) -> list[Any]:
        """All that was stored, in order: equal for equal seeds."""
        return [self._broker.outputs, self._broker.committed, asyncio.get_running_loop().time()]

    async def _feed(self, partition: Partition) -> None:
        offset = self._chance.choice([0, 1000])
        for _ in range(self._chance.randint(0, 60)):
            self._broker.append(Record(partition, offset, -1, b"key", self._chance.choice(VALUES)))
            offset += self._chance.choice([1, 1, 1, 2, 50])
            if self._chance.random() < 0.3:
                await asyncio.sleep(self._chance.uniform(0, 1.0))

    async def _misfortune(self) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() < self._scenario.seconds:
            await asyncio.sleep(self._chance.uniform(0, 2.5))
            self._workers = [worker for worker in self._workers if worker.alive]
            events = [self._start, self._start, self._stop_one, self._broker.change]
            if self._scenario.crashes:
                events += [self._crash_one, self._isolate_one, self._outage]
            self._chance.choice(events)()

    def _start(self) -> None:
        if len(self._workers) < 4:
            worker = Worker(self._broker, self._chance, self._faults, self._scenario.slow)
            self._workers.append(worker)
            self._ever.append(worker)

    def _stop_one(self) -> None:
        if len(self._workers) > 1:
            self._go_on(self._take().stop())

    def _crash_one(self) -> None:
        if self._workers:
            self._take().crash()

    def _isolate_one(self) -> None:
        if self._workers:
            self._go_on(self._chance.choice(self._workers).lose_heartbeats(self._chance.uniform(0, 8.0)))

    def _outage(self) -> None:
        async def outage() -> None:
            self._faults.outage = True
            await asyncio.sleep(self._chance.choice([0.5, 5.0, 20.0]))
            self._faults.outage = False

        self._go_on(outage())

    def _take(self) -> Worker:
        return self._workers.pop(self._chance.randrange(len(self._workers)))

    def _go_on(self, work: Any) -> None:
        self._background.add(asyncio.ensure_future(work))

    async def _heal(self) -> None:
        """Nothing goes wrong any more: whatever happened before, everything must come out."""
        for name, value in vars(CLEAN).items():
            setattr(self._faults, name, value)
        try:
            async with asyncio.timeout(600.0):
                while not self._broker.caught_up():
                    self._workers = [worker for worker in self._workers if worker.alive]
                    if not self._workers:
                        self._start()
                    await asyncio.sleep(1.0)
        except TimeoutError:
            self._broker.violations.append(f"stuck at {self._broker.committed}")

    def _check(self) -> None:
        for partition, records in self._broker.log.items():
            missing = [record.offset for record in records if not self._broker.finished(record)]
            if missing:
                self._broker.violations.append(f"{partition}: lost {missing}")
        if not self._scenario.crashes:
            for channel, partitions in self._broker.outputs.items():
                for partition, outputs in partitions.items():
                    if len({outgoing.headers for outgoing in outputs}) < len(outputs):
                        self._broker.violations.append(f"{partition}: repeats in {channel.value}")
        for worker in self._ever:
            if worker.life.done() and not worker.life.cancelled() and (error := worker.life.exception()) is not None:
                self._broker.violations.append(f"a worker ended with {error!r}")

    def _surprise(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        # Futures of sends that nobody waits for any more may fail unheard.
        if not context["message"].startswith("Future exception was never retrieved"):
            self._broker.violations.append(f"{context['message']}: {context.get('exception')!r}")


def simulate(seed: int, scenario: Scenario) -> tuple[list[str], list[Any]]:
    """Run one seed in virtual time: the problems found, and a trace that is equal for equal seeds."""
    random.seed(seed)  # the pipeline's own jitter

    async def run() -> tuple[list[str], list[Any]]:
        simulation = Simulation(seed, scenario)
        return await simulation.run(), simulation.trace()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(run())
