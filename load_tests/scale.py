"""`python -m load_tests.scale`: how fast posts that come at once are done by more processors, partitions and workers, on this machine.

In turns, round by round: one worker on 1, 2, … of the processors; one worker on all of them, with 1 to 64 partitions; and 1 to 4
workers that share all of them. Broker and observer run beside: where they need processors too, the last ones bring less.
The last line on stdout is one JSON object; ratios, medians of rounds, are to the first of each kind.
"""

import argparse
import asyncio
import itertools
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from load_tests.bench import measures
from load_tests.bench.lab import Lab, Way, say_progress
from load_tests.bench.observe import observe
from load_tests.corpus import posts
from load_tests.drive import RunError, say
from load_tests.lab import create_topics
from load_tests.waiting import until_done
from load_tests.watch import Names, Watch
from load_tests.workers import DEFAULT_COMMAND, Worker
from tests.harness import Kafka
from tests.harness.distribution import HarnessError
from tests.harness.topics import produce

PARTITIONS = (1, 4, 16, 64)
WORKERS = (1, 2, 4)
JOIN_SECONDS = 60.0
ENV = {"MODERATION_SCORE_CACHE_SIZE": "0"}


@dataclass(frozen=True, slots=True)
class Setup:
    """`kind` says what differs among those that are compared. `cpus`: numbers of the processors that workers may use."""

    kind: str
    count: int
    cpus: tuple[int, ...]
    partitions: int = 8
    workers: int = 1

    def way(self) -> Way:
        """Threads for all processors, shared by the workers."""
        threads = max(1, len(self.cpus) // self.workers)
        env = {**ENV, "MODERATION_SCORING_THREADS": str(threads)}
        return Way(f"taskset --cpu-list {','.join(map(str, self.cpus))} {DEFAULT_COMMAND}", env)


def setups(cpus: Sequence[int]) -> list[Setup]:
    """Of processors only their count differs; doubled until there are no more."""
    all_of_them = tuple(cpus)
    counts = [count for count in (1, 2, 4, 8, 16, 32, 64) if count <= len(all_of_them)]
    return [
        *(Setup("processors", count, all_of_them[:count]) for count in counts),
        *(Setup("partitions", count, all_of_them, partitions=count) for count in PARTITIONS),
        *(Setup("workers", count, all_of_them, workers=count) for count in WORKERS),
    ]


async def drained(lab: Lab, setup: Setup, name: str, count: int, folder: Path) -> float:
    """Posts a second, written at once after the workers share the partitions. Raises RunError where a post has no verdict."""
    names = Names(f"{name}-in", f"{name}-out", f"{name}-dead", name, setup.partitions)
    await create_topics(lab.bootstrap, names)
    load = ((post.id.encode(), post.value()) for post in posts(longest=300))
    way = setup.way()
    async with lab.working(names, way) as (worker, watch):
        with ExitStack() as others:
            for number in range(1, setup.workers):
                more = Worker(f"{name}-{number}", lab.bootstrap, names, folder, command=way.command, env=way.env)
                others.enter_context(more).start()
            await _shared(watch, setup)
            await produce(lab.bootstrap, names.input, itertools.islice(load, count))
            await until_done(worker, watch, say_progress())
    seen = await observe(lab.bootstrap, names)
    if seen.report.lost:
        raise RunError(f"{setup.kind} {setup.count}: {seen.report.lost} of {count} posts have no verdict")
    return measures.drain_rate([pair.done_ms for pair in seen.pairs])


async def _shared(watch: Watch, setup: Setup) -> None:
    try:
        async with asyncio.timeout(JOIN_SECONDS):
            while sorted(map(bool, (own for _, own in await watch.members()))) != [True] * setup.workers:  # noqa: ASYNC110 - the broker tells nobody
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise RunError(f"{setup.workers} workers did not share the partitions in {JOIN_SECONDS:.0f} s") from None


async def measure(count: int, rounds: int) -> dict[Setup, list[float]]:
    """Posts a second of every setup, by round. Raises RunError, HarnessError."""
    rates: dict[Setup, list[float]] = {setup: [] for setup in setups(sorted(os.sched_getaffinity(0)))}
    with tempfile.TemporaryDirectory(prefix="scale-") as folder, Kafka() as kafka:
        lab = Lab(kafka, Path(folder))
        for number in range(rounds):
            for place, (setup, found) in enumerate(rates.items()):
                found.append(await drained(lab, setup, f"scale-{number}-{place}", count, Path(folder)))
                say(f"round {number + 1} of {rounds}: {setup.kind} {setup.count}: {found[-1]:.0f} posts/s")
    return rates


def compared(rates: dict[Setup, list[float]]) -> dict[str, dict[str, dict[str, float]]]:
    """By kind and count: the median rate, and the median of the ratios to the kind's first, round by round."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    firsts: dict[str, list[float]] = {}
    for setup, own in rates.items():
        first = firsts.setdefault(setup.kind, own)
        found.setdefault(setup.kind, {})[str(setup.count)] = {
            "posts_per_second": round(statistics.median(own), 1),
            "ratio": round(statistics.median(a / b for a, b in zip(own, first, strict=True)), 3),
        }
    return found


def table(found: dict[str, dict[str, dict[str, float]]]) -> str:
    """Markdown."""
    lines = ["| what | how many | posts/s | against the first |", "|---|---|---|---|"]
    for kind, counts in found.items():
        lines += [
            f"| {kind} | {n} | {each['posts_per_second']:.0f} | {each['ratio']:.2f} |" for n, each in counts.items()
        ]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m load_tests.scale", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--posts", type=int, default=2_000, help="of each backlog (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="default %(default)s")
    options = parser.parse_args(argv)
    if min(options.posts, options.rounds) <= 0:
        parser.error("all numbers must be more than 0")
    try:
        found = compared(asyncio.run(measure(options.posts, options.rounds)))
    except (RunError, HarnessError) as error:
        say(str(error))
        return 1
    print(table(found))
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
