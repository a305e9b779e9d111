"""A broker with a worker or a peer on it, one run after the other, each on topics of its own."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from load_tests.bench import cpu
from load_tests.bench.observe import Seen, observe
from load_tests.corpus import Keyed
from load_tests.drive import RunError, say
from load_tests.feed import Fed, feed
from load_tests.lab import create_topics
from load_tests.waiting import until_done
from load_tests.watch import Names, Watch
from load_tests.workers import DEFAULT_COMMAND, Worker
from tests.harness import Kafka
from tests.harness.topics import produce

TELL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Way:
    """A program that turns posts into verdicts, and its environment."""

    command: str = DEFAULT_COMMAND
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """`seen.pairs` hold what was measured, not what only warmed up."""

    seen: Seen
    fed: Fed
    samples: list[cpu.Sample]
    exit_status: int


class Lab:
    """Runs on one broker. Raises RunError where a worker ends or does not get through."""

    def __init__(self, kafka: Kafka, folder: Path) -> None:
        self.bootstrap = kafka.bootstrap
        self._broker = kafka.pid
        self._folder = folder

    async def preload(self, names: Names, records: Iterable[Keyed]) -> int:
        """Make the topics and write the input; returns how many records."""
        await create_topics(self.bootstrap, names)
        return await produce(self.bootstrap, names.input, records)

    async def drain(self, names: Names, way: Way, count: int) -> Run:
        """Start the worker on an input of `count` records that is there, and wait until all of it is committed."""
        async with self.working(names, way) as (worker, watch):
            async with self._sampling(worker) as samples:
                await until_done(worker, watch, say_progress())
            status = await stop(worker)
        return Run(await observe(self.bootstrap, names), Fed(count), samples, status)

    async def feed(
        self, names: Names, way: Way, warm: Iterable[Keyed], load: Iterable[Keyed], due: Iterable[float]
    ) -> Run:
        """Let the worker do `warm`, then write each record of `load` at its time in `due`, and wait for the last."""
        fed = Fed()
        warmed = await self.preload(names, warm)
        async with self.working(names, way) as (worker, watch):
            await until_done(worker, watch)
            begun_ms = int(time.time() * 1000)
            async with self._sampling(worker) as samples:
                await self._feed(names, load, due, fed, worker, watch)
            await until_done(worker, watch, say_progress())
            status = await stop(worker)
        seen = await observe(self.bootstrap, names)
        measured = [pair for pair in seen.pairs if pair.due_ms >= begun_ms]
        return Run(replace(seen, pairs=measured), replace(fed, records=fed.records + warmed), samples, status)

    async def _feed(
        self, names: Names, load: Iterable[Keyed], due: Iterable[float], fed: Fed, worker: Worker, watch: Watch
    ) -> None:
        feeding = asyncio.create_task(feed(self.bootstrap, names.input, load, due, fed))
        try:
            while not (await asyncio.wait([feeding], timeout=TELL_SECONDS))[0]:
                waiting = sum((await watch.input_ends()).values()) - sum((await watch.committed()).values())
                say(
                    f"  {fed.records} fed, {waiting} not committed yet, generator late by {fed.latest_seconds:.2f} s at most"
                )
                if worker.ended() is not None:
                    raise RunError(f"{worker.name} ended. The end of its log:\n{worker.tail()}")
        finally:
            feeding.cancel()
            await asyncio.wait([feeding])
        feeding.result()

    @contextlib.asynccontextmanager
    async def working(self, names: Names, way: Way) -> AsyncIterator[tuple[Worker, Watch]]:
        """A worker with a scoring thread for each processor; killed afterwards where it was not stopped."""
        env = {"MODERATION_SCORING_THREADS": str(len(os.sched_getaffinity(0))), **way.env}
        with Worker(names.group, self.bootstrap, names, self._folder, command=way.command, env=env) as worker:
            worker.start()
            async with Watch(self.bootstrap, names) as watch:
                yield worker, watch

    @contextlib.asynccontextmanager
    async def _sampling(self, worker: Worker) -> AsyncIterator[list[cpu.Sample]]:
        samples: list[cpu.Sample] = []
        pids = {"worker": worker.pid or 0, "broker": self._broker, "generator": os.getpid()}
        watching = asyncio.create_task(cpu.watch(pids, samples))
        try:
            yield samples
        finally:
            watching.cancel()


async def stop(worker: Worker) -> int:
    """SIGTERM; returns the exit status."""
    worker.terminate()
    return await asyncio.to_thread(worker.wait)


def say_progress() -> Callable[[int, int], None]:
    """What `until_done` tells, every TELL_SECONDS."""
    told, before = time.monotonic(), 0

    def tell(done: int, there: int) -> None:
        nonlocal told, before
        if (elapsed := time.monotonic() - told) >= TELL_SECONDS:
            say(f"  {done} of {there}, {(done - before) / elapsed:.0f}/s")
            told, before = time.monotonic(), done

    return tell
