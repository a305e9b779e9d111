"""`python -m load_tests.soak`: hours at a steady load. Does memory, or anything else, grow? Exit status 1 where so."""

import argparse
import asyncio
import contextlib
import json
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path

import psutil

from load_tests.arrivals import even
from load_tests.corpus import Keyed, traffic
from load_tests.counted import TASKS_FILE
from load_tests.drive import say
from load_tests.feed import feed
from load_tests.lab import create_topics
from load_tests.series import Growth, failures, growth
from load_tests.watch import Names, Watch
from load_tests.workers import Worker
from tests.harness import Kafka
from tests.harness.distribution import HarnessError
from tests.harness.topics import produce

DESCRIPTION = """\
Measures what one worker can do on this machine, then gives it a share of that for a while, at least once and exactly
once one after the other, and samples its memory, asyncio tasks, threads and file descriptors. The last line on stdout
is one JSON object; the exit status is 1 where memory grows by more than 5 % over the last two thirds of the time, or
tasks, threads or descriptors grow. Where the worker could not keep up, `kept_up` is false: the load was no such share."""

DELIVERIES = ("at_least_once", "exactly_once")
COMMAND = shlex.join([sys.executable, "-m", "load_tests.counted"])
CALIBRATION_POSTS = 3_000
STALL_SECONDS = 120.0
BEHIND_SECONDS = 10.0
"""A backlog of so many seconds' posts is one: the worker does not keep up."""
MOST_SAMPLES = 1_000


class SoakError(Exception):
    """The run cannot go on."""


@dataclass(slots=True)
class Samples:
    """Series of (seconds, value): resident bytes, tasks, threads, descriptors; and posts that wait."""

    rss: list[tuple[float, float]] = field(default_factory=list)
    tasks: list[tuple[float, float]] = field(default_factory=list)
    threads: list[tuple[float, float]] = field(default_factory=list)
    fds: list[tuple[float, float]] = field(default_factory=list)
    backlog: list[tuple[float, float]] = field(default_factory=list)

    def growths(self) -> dict[str, Growth]:
        return {name: growth(getattr(self, name)) for name in ("rss", "tasks", "threads", "fds")}


class Soak:
    """One worker on topics of its own."""

    def __init__(self, kafka: Kafka, watch: Watch, worker: Worker, names: Names, tasks: Path) -> None:
        self._kafka = kafka
        self._watch = watch
        self._worker = worker
        self._names = names
        self._tasks = tasks

    async def peak(self, records: Iterator[Keyed], posts: int) -> float:
        """Posts a second, from the middle of a backlog of `posts`; half of it first, to warm up. Raises SoakError."""
        await produce(self._kafka.bootstrap, self._names.input, islice(records, posts // 2))
        await self._until(lambda waiting: waiting == 0)
        await produce(self._kafka.bootstrap, self._names.input, islice(records, posts))
        waiting = await self._until(lambda waiting: waiting < posts * 0.9)
        begun = time.monotonic()
        left = await self._until(lambda waiting: waiting < posts * 0.1)
        found = (waiting - left) / (time.monotonic() - begun)
        await self._until(lambda waiting: waiting == 0)
        return found

    async def hold(self, records: Iterator[Keyed], per_second: float, seconds: float) -> Samples:
        """Feed so many posts a second for so long, and sample meanwhile. Raises SoakError."""
        samples = Samples()
        every = max(0.25, seconds / MOST_SAMPLES)
        feeding = asyncio.create_task(
            feed(self._kafka.bootstrap, self._names.input, records, even(per_second, seconds))
        )
        begun = told = time.monotonic()
        try:
            while not feeding.done():
                await asyncio.sleep(every)
                elapsed = time.monotonic() - begun
                await self._sample(samples, elapsed)
                if time.monotonic() - told > 30:
                    told = time.monotonic()
                    say(
                        f"{elapsed:.0f} of {seconds:.0f} s: {samples.rss[-1][1] / 1e6:.0f} MB, {samples.backlog[-1][1]:.0f} wait"
                    )
        finally:
            feeding.cancel()
            await asyncio.wait([feeding])
        feeding.result()
        await self._until(lambda waiting: waiting == 0)
        return samples

    async def _sample(self, samples: Samples, at: float) -> None:
        if self._worker.ended() is not None or self._worker.pid is None:
            raise SoakError(f"the worker ended. The end of its log:\n{self._worker.tail()}")
        process = psutil.Process(self._worker.pid)
        samples.rss.append((at, process.memory_info().rss))
        samples.threads.append((at, process.num_threads()))
        samples.fds.append((at, process.num_fds()))
        if count := self._tasks.read_text(encoding="ascii"):  # else it is being written
            samples.tasks.append((at, int(count)))
        samples.backlog.append((at, (await self._waiting())[0]))

    async def _waiting(self) -> tuple[int, int]:
        ends, committed = await self._watch.input_ends(), await self._watch.committed()
        done = sum(committed.values())
        return sum(ends.values()) - done, done

    async def _until(self, reached: Callable[[int], bool]) -> int:
        """Wait for a number of posts that wait; returns it."""
        moved, before = time.monotonic(), -1
        while True:
            waiting, done = await self._waiting()
            if reached(waiting):
                return waiting
            if done != before:
                moved, before = time.monotonic(), done
            if self._worker.ended() is not None or time.monotonic() - moved > STALL_SECONDS:
                raise SoakError(f"nothing moves. The end of the worker's log:\n{self._worker.tail()}")
            await asyncio.sleep(0.05)


async def soak(delivery: str, load: float, seconds: float, posts: int = CALIBRATION_POSTS) -> dict[str, object]:
    """One delivery's run on a broker of its own. Raises SoakError, HarnessError."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        kafka = stack.enter_context(Kafka())
        names = Names(group="soak")
        await create_topics(kafka.bootstrap, names)
        tasks = folder / "tasks"
        env = {"MODERATION_DELIVERY": delivery, TASKS_FILE: str(tasks)}
        worker = stack.enter_context(Worker("soak", kafka.bootstrap, names, folder, command=COMMAND, env=env))
        worker.start()
        async with Watch(kafka.bootstrap, names) as watch:
            run = Soak(kafka, watch, worker, names, tasks)
            records = traffic(sys.maxsize)
            peak = await run.peak(records, posts)
            say(f"{delivery}: {peak:.0f} posts/s at most; {load:.0%} of that for {seconds / 60:.1f} min")
            samples = await run.hold(records, load * peak, seconds)
        worker.terminate()
        status = await asyncio.to_thread(worker.wait)
        return result(peak, load, samples) | {"exit_status": status}


def result(peak: float, load: float, samples: Samples) -> dict[str, object]:
    """What came of a run, JSON-able; its `failures` are what grew."""
    growths = samples.growths()
    most = max(waiting for _, waiting in samples.backlog)
    return {
        "peak_per_second": round(peak, 1),
        "fed_per_second": round(load * peak, 1),
        "kept_up": most <= BEHIND_SECONDS * load * peak,
        "most_waiting": round(most),
        "seconds": round(samples.rss[-1][0]),
        "samples": len(samples.rss),
        "growth": {name: asdict(grown) for name, grown in growths.items()},
        "failures": failures(growths),
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m load_tests.soak", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30.0, help="of each delivery (default 30)")
    parser.add_argument("--load", type=float, default=0.8, help="share of what the worker can do (default 0.8)")
    parser.add_argument("--delivery", choices=DELIVERIES, help="only this one (default both)")
    options = parser.parse_args(argv)
    if not (options.minutes > 0 and options.load > 0):
        parser.error("--minutes and --load must be more than 0")
    results: dict[str, dict[str, object]] = {}
    for delivery in [options.delivery] if options.delivery else DELIVERIES:
        try:
            results[delivery] = asyncio.run(soak(delivery, options.load, options.minutes * 60))
        except (SoakError, HarnessError) as error:
            say(str(error))
            return 1
        say(f"{delivery}: {json.dumps(results[delivery])}")
    print(json.dumps({"load": options.load, "minutes": options.minutes, "deliveries": results}))
    return 1 if any(found["failures"] or found["exit_status"] for found in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
