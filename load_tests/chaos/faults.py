"""How each kind of fault is done to a worker, to its network or to the broker."""

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from load_tests.chaos.schedule import Fault, Kind
from load_tests.drive import say
from load_tests.workers import Worker
from tests.harness import Kafka
from tests.harness.gate import Gate

DELAY_SECONDS = 0.3
STOPPED_SECONDS, RUNNING_SECONDS = 0.4, 0.1
RESET_EVERY_SECONDS = 0.3


class Seen(Protocol):
    """What is written down of a run."""

    restarts: list[str]
    failures: list[str]


class Stage(Protocol):
    """The run that faults are part of."""

    @property
    def seen(self) -> Seen:
        """What was seen so far."""

    async def until(self, reached: Callable[[], Awaitable[bool]], what: str) -> None:
        """Wait for it, and look at the logs meanwhile, once at least."""

    async def shared(self) -> bool:
        """Whether every worker holds partitions, and nobody else."""

    async def gone(self, worker: Worker) -> bool:
        """Whether the group has given a worker up."""


class Faults:
    """Does faults. `gates`: what each worker, by its name, passes through. `down`: workers that a fault has ended.

    `starved`: workers that lack memory, or did until now: these may end by themselves.
    """

    def __init__(
        self, kafka: Kafka, gates: Mapping[str, Gate], workers: Sequence[Worker], stage: Stage, draw: random.Random
    ) -> None:
        self.down: set[str] = set()
        self.starved: set[str] = set()
        self._kafka = kafka
        self._gates = gates
        self._workers = workers
        self._stage = stage
        self._draw = draw

    async def do(self, fault: Fault, victim: Worker) -> None:
        """Do it, and undo it."""
        how: Mapping[Kind, Callable[[Worker, float], Awaitable[None]]] = {
            Kind.KILL: self._kill_and_start,
            Kind.TERMINATE: self._terminate_and_start,
            Kind.ZOMBIE: self._zombie,
            Kind.STORM: self._storm,
            Kind.SLOW_MODEL: self._slow_model,
            Kind.NO_MEMORY: self._no_memory,
            Kind.NO_LOG: self._no_log,
            Kind.LOSE: self._lose,
            Kind.RESET: self._reset,
            Kind.DELAY: self._delay,
            Kind.ISOLATE: self._isolate,
            Kind.NETWORK_ZOMBIE: self._network_zombie,
            Kind.CUT: self._cut,
            Kind.BROKER_STALL: self._broker_stall,
            Kind.BROKER_KILL: self._broker_kill,
            Kind.BROKER_DISK_FULL: self._broker_disk_full,
        }
        self.starved.clear()
        await how[fault.kind](victim, fault.seconds)

    async def terminate(self, victim: Worker) -> None:
        """SIGTERM, and wait for the end; a failure where its exit status is not 0."""
        self.down.add(victim.name)
        victim.terminate()
        status = await asyncio.to_thread(victim.wait)
        if status not in {0, -signal.SIGTERM}:  # the latter before it had begun: it was started a moment ago
            self._stage.seen.failures.append(f"{victim.name} ended with status {status} after SIGTERM, not 0")
            say(f"the end of its log:\n{victim.tail()}")
        await self._look("a look after the end")

    # Workers

    async def _kill_and_start(self, victim: Worker, seconds: float) -> None:
        await self._kill(victim)
        await asyncio.sleep(seconds)
        self._start(victim)

    async def _terminate_and_start(self, victim: Worker, _seconds: float) -> None:
        await self.terminate(victim)
        self._start(victim)

    async def _zombie(self, victim: Worker, _seconds: float) -> None:
        victim.pause()
        await self._given_up(victim)
        victim.resume()

    async def _storm(self, victim: Worker, seconds: float) -> None:
        others = [worker for worker in self._workers if worker is not victim]
        for worker in (victim, *others[:1]):
            await self._terminate_and_start(worker, 0)
            await asyncio.sleep(seconds / 2)

    async def _slow_model(self, victim: Worker, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            victim.pause()
            await asyncio.sleep(STOPPED_SECONDS)
            victim.resume()
            await asyncio.sleep(RUNNING_SECONDS)

    async def _no_memory(self, victim: Worker, seconds: float) -> None:
        self.starved.add(victim.name)
        victim.starve(hungry=True)
        await asyncio.sleep(seconds)
        victim.starve(hungry=False)

    async def _no_log(self, victim: Worker, seconds: float) -> None:
        victim.fill_disk(full=True)
        await self._reset(victim, seconds)
        await self._stage.until(self._stage.shared, "a worker without a log to go on")
        victim.fill_disk(full=False)

    # The network of one worker

    async def _lose(self, victim: Worker, seconds: float) -> None:
        gate = self._gates[victim.name]
        gate.hold()
        await asyncio.sleep(seconds)
        await self._kill(victim)
        gate.release()
        self._start(victim)

    async def _reset(self, victim: Worker, seconds: float) -> None:
        gate = self._gates[victim.name]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            gate.cut()
            gate.mend()
            await asyncio.sleep(RESET_EVERY_SECONDS)

    async def _delay(self, victim: Worker, seconds: float) -> None:
        gate = self._gates[victim.name]
        gate.delay = DELAY_SECONDS
        await asyncio.sleep(seconds)
        gate.delay = 0.0

    async def _isolate(self, victim: Worker, seconds: float) -> None:
        gate = self._gates[victim.name]
        gate.darken()
        await asyncio.sleep(seconds)
        gate.lighten(late=self._draw.random() < 0.5)

    async def _network_zombie(self, victim: Worker, _seconds: float) -> None:
        gate = self._gates[victim.name]
        gate.darken()
        await self._given_up(victim)
        gate.lighten(late=self._draw.random() < 0.5)

    # All

    async def _cut(self, _victim: Worker, seconds: float) -> None:
        for gate in self._gates.values():
            gate.cut()
        await asyncio.sleep(seconds)
        for gate in self._gates.values():
            gate.mend()

    async def _broker_stall(self, _victim: Worker, seconds: float) -> None:
        self._kafka.pause()
        await asyncio.sleep(seconds)
        self._kafka.resume()

    async def _broker_kill(self, _victim: Worker, _seconds: float) -> None:
        self._kafka.kill()
        await asyncio.to_thread(self._kafka.start)

    async def _broker_disk_full(self, _victim: Worker, _seconds: float) -> None:
        await asyncio.to_thread(self._kafka.fill_disk)
        await asyncio.to_thread(self._kafka.start)

    async def _kill(self, victim: Worker) -> None:
        victim.kill()
        self.down.add(victim.name)
        await self._look("a look after the kill, before any restart")

    def _start(self, worker: Worker) -> None:
        worker.start()
        self.down.discard(worker.name)

    async def _given_up(self, victim: Worker) -> None:
        async def gone() -> bool:
            return await self._stage.gone(victim)

        await self._stage.until(gone, f"the group to give {victim.name} up")

    async def _look(self, what: str) -> None:
        async def looked() -> bool:
            return True  # a snapshot was taken

        await self._stage.until(looked, what)
