"""`python -m load_tests.cost`: what exactly once costs against at least once, on the same posts and broker in one run."""

import argparse
import asyncio
import contextlib
import itertools
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from load_tests.arrivals import even
from load_tests.corpus import Keyed, posts
from load_tests.drive import RunError, say
from load_tests.feed import Fed, feed
from load_tests.lab import create_topics
from load_tests.waiting import STALL_SECONDS, until_done
from load_tests.watch import Names, Watch
from load_tests.workers import DEFAULT_COMMAND, Worker
from tests.harness import Kafka
from tests.harness.distribution import HarnessError
from tests.harness.topics import each_record, produce

DESCRIPTION = """\
Runs one worker at least once and exactly once, round by round in turns, on the same posts:

  posts/s  draining a preloaded topic, from the first verdict in the log to the last
  p50, p99 milliseconds from a record's timestamp to its verdict at a reader of committed records, while posts come
           in steadily at a share of what at least once drained (a verdict in an open transaction is not there yet)

The last line on stdout is one JSON object, with the medians of rounds."""

AT_LEAST_ONCE, EXACTLY_ONCE = "at_least_once", "exactly_once"


@dataclass(frozen=True, slots=True)
class Round:
    """One delivery's round: posts a second, and latencies in milliseconds at `fed_per_second`."""

    posts_per_second: float
    fed_per_second: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Plan:
    """`load`: the share of at least once's drain rate at which latency is measured, for `seconds` a round."""

    posts: int = 3_000
    rounds: int = 3
    load: float = 0.5
    seconds: float = 30.0


async def compare(plan: Plan) -> dict[str, list[Round]]:
    """All rounds by delivery, on a broker of their own. Raises RunError, HarnessError."""
    found: dict[str, list[Round]] = {AT_LEAST_ONCE: [], EXACTLY_ONCE: []}
    with tempfile.TemporaryDirectory(prefix="cost-") as folder, Kafka() as kafka:
        bench = _Bench(kafka.bootstrap, Path(folder), plan)
        await bench.preload()
        for number in range(plan.rounds):
            drained = {delivery: await bench.drain(delivery, number) for delivery in found}
            rate = plan.load * drained[AT_LEAST_ONCE]
            for delivery, rounds in found.items():
                latencies = await bench.latencies(delivery, number, rate)
                measured = (percentile(latencies, 50), percentile(latencies, 99))
                rounds.append(Round(drained[delivery], rate, *measured))
                say(f"round {number + 1}, {delivery}: {rounds[-1]}")
    return found


class _Bench:
    def __init__(self, bootstrap: str, folder: Path, plan: Plan) -> None:
        self._bootstrap = bootstrap
        self._folder = folder
        self._plan = plan
        self._names = Names(input="cost-posts", output="unused", dead_letter="unused-dead")

    async def preload(self) -> None:
        await create_topics(self._bootstrap, self._names)
        await produce(self._bootstrap, self._names.input, itertools.islice(_records(), self._plan.posts))

    async def drain(self, delivery: str, number: int) -> float:
        """Posts a second."""
        names = self._of_its_own(delivery, number, self._names.input)
        await create_topics(self._bootstrap, names, with_input=False)
        async with self._working(delivery, names) as (worker, watch):
            await until_done(worker, watch)
        stamps: list[float] = [record.timestamp / 1000 async for record in each_record(self._bootstrap, names.output)]
        return len(stamps) / max(0.001, max(stamps) - min(stamps))

    async def latencies(self, delivery: str, number: int, per_second: float) -> list[float]:
        """Milliseconds of each post that came in steadily."""
        names = self._of_its_own(delivery, number, f"cost-{delivery}-{number}-steady")
        await create_topics(self._bootstrap, names)
        async with self._working(delivery, names) as (worker, watch):
            # First posts find a cold model: they are not counted.
            await produce(self._bootstrap, names.input, itertools.islice(_records(), 50))
            await until_done(worker, watch)
            async with _reader(self._bootstrap, names) as reader:
                feeding = asyncio.create_task(
                    feed(self._bootstrap, names.input, _records(), even(per_second, self._plan.seconds))
                )
                return await _arrivals(reader, feeding)

    def _of_its_own(self, delivery: str, number: int, posts_topic: str) -> Names:
        name = f"{delivery}-{number}-{'drain' if posts_topic == self._names.input else 'steady'}"
        return replace(self._names, input=posts_topic, output=name, dead_letter=f"{name}-dead", group=name)

    @contextlib.asynccontextmanager
    async def _working(self, delivery: str, names: Names) -> AsyncIterator[tuple[Worker, Watch]]:
        env = {"MODERATION_DELIVERY": delivery}
        worker = Worker(names.group, self._bootstrap, names, self._folder, command=DEFAULT_COMMAND, env=env)
        with worker:
            worker.start()
            async with Watch(self._bootstrap, names) as watch:
                yield worker, watch
            worker.terminate()
            await asyncio.to_thread(worker.wait)


def _records() -> Iterator[Keyed]:
    return ((post.id.encode(), post.value()) for post in posts())


@contextlib.asynccontextmanager
async def _reader(bootstrap: str, names: Names) -> AsyncIterator[AIOKafkaConsumer]:
    """A reader of committed verdicts, from the end on."""
    reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level="read_committed", enable_auto_commit=False)
    async with reader:
        reader.assign([TopicPartition(names.output, number) for number in range(names.partitions)])
        await reader.seek_to_end()
        yield reader


async def _arrivals(reader: AIOKafkaConsumer, feeding: "asyncio.Task[Fed]") -> list[float]:
    found: list[float] = []
    arrived = time.monotonic()
    try:
        while not (feeding.done() and len(found) >= feeding.result().records):
            for records in (await reader.getmany(timeout_ms=100)).values():
                now = time.time() * 1000
                arrived = time.monotonic()
                found += [now - orjson.loads(record.value)["source"]["timestamp"] for record in records]
            if time.monotonic() - arrived > STALL_SECONDS:
                raise RunError(f"{len(found)} verdicts came, then none for {STALL_SECONDS:.0f} s")
    finally:
        feeding.cancel()
    return found


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile."""
    return sorted(values)[max(0, math.ceil(len(values) * share / 100) - 1)]


def summary(found: dict[str, list[Round]], plan: Plan) -> dict[str, object]:
    """Medians of rounds, their ratio, and the rounds; JSON-able."""
    medians = {
        delivery: {
            name: round(statistics.median(getattr(run, name) for run in rounds), 1)
            for name in ("posts_per_second", "p50_ms", "p99_ms")
        }
        for delivery, rounds in found.items()
    }
    pairs = zip(found[EXACTLY_ONCE], found[AT_LEAST_ONCE], strict=True)
    ratio = statistics.median(exactly.posts_per_second / least.posts_per_second for exactly, least in pairs)
    rounds = {delivery: [asdict(run) for run in runs] for delivery, runs in found.items()}
    return {
        "posts": plan.posts,
        "medians": medians,
        "posts_per_second_ratio": round(ratio, 3),
        "rounds": rounds,
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m load_tests.cost", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--posts", type=int, default=3_000, help="preloaded (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="default %(default)s")
    parser.add_argument("--load", type=float, default=0.5, help="share for latency (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=30.0, help="of latency a round (default %(default)s)")
    options = parser.parse_args(argv)
    plan = Plan(options.posts, options.rounds, options.load, options.seconds)
    if min(plan.posts, plan.rounds, plan.load, plan.seconds) <= 0:
        parser.error("all numbers must be more than 0")
    try:
        found = asyncio.run(compare(plan))
    except (RunError, HarnessError) as error:
        say(str(error))
        return 1
    print(json.dumps(summary(found, plan)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
