"""`python -m load_tests.growth`: does anything cost more than in proportion? Longer posts, larger backlogs, larger budgets.

Post lengths are measured in this process, without Kafka: processor time from a record's bytes to its scores. Backlogs and budgets
are measured of a real worker on a real broker, for so many seconds each after its first commits. The exit status is 1
where the time of a post grows faster than its length, a larger backlog is drained more slowly or takes more memory, or
memory grows faster than the budget of posts in flight.
"""

import argparse
import asyncio
import itertools
import json
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

import psutil
from matplotlib.figure import Figure

from load_tests.bench.lab import Lab, Way, stop
from load_tests.corpus import Post, posts
from load_tests.drive import RunError, say
from load_tests.watch import Names, Watch
from load_tests.workers import Worker
from tests.harness import Kafka
from tests.harness.distribution import HarnessError
from worker.core.batching import plan
from worker.core.types import Channel, Partition, Record, Scorable, Window
from worker.engine import Engine, build_engine
from worker.settings import Settings

LENGTHS = (1, 10, 100, 1_000, 10_000, 100_000)
BACKLOGS = (1_000, 10_000, 100_000, 1_000_000)
BUDGETS = (100, 1_000, 10_000, 100_000)
LONG = 1_000
"""Characters from which a post has several windows: shorter ones cost more a character, since every call has its price."""
STEEPEST = 1.1
"""Of the line through logarithms: 1 is in proportion."""
SLOWER, LARGER = 0.7, 1.3
"""Of the largest backlog against the smallest: its rate at least, its memory at most."""
ROUNDS = 5
FIRST_SECONDS = 60.0
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Point:
    """`size`: characters, posts in the backlog, or the budget. A rate is not measured of lengths, time not of the others."""

    size: int
    cpu_ms: float | None = None
    posts_per_second: float | None = None
    memory_mib: float | None = None


def lengths(engine: Engine, batch_tokens: int) -> list[Point]:
    """Processor time of one post of each length, the least of ROUNDS: what else a machine does only adds to it."""
    text = " ".join(post.text for post in itertools.islice(posts(), 5_000))
    text = text.encode("ascii", "ignore").decode()  # the names of emoji would make it longer
    found = []
    for length in LENGTHS:
        record = Record(Partition("posts", 0), 0, -1, None, Post("1", text[:length]).value())
        took = []
        for _ in range(ROUNDS if length < LENGTHS[-1] else 2):
            begun = time.process_time()
            [prepared] = engine.prepare([record])
            if not isinstance(prepared, Scorable):
                raise RunError(f"a post of {length} characters came to {prepared}")
            _score(engine, list(prepared.windows), batch_tokens)
            took.append(time.process_time() - begun)
        found.append(Point(length, cpu_ms=round(min(took) * 1000, 2)))
        say(f"{length} characters: {found[-1].cpu_ms} ms")
    return found


def _score(engine: Engine, waiting: list[Window], batch_tokens: int) -> None:
    while waiting:
        chosen = set(plan([len(window) for window in waiting], batch_tokens))
        engine.score([waiting[i] for i in chosen])
        waiting = [window for i, window in enumerate(waiting) if i not in chosen]


async def backlogs(lab: Lab, seconds: float, sizes: Sequence[int]) -> list[Point]:
    """Rate and memory of a worker with so many posts before it; the smallest once more at the end, beside the largest."""
    found = []
    for size in (*sizes, sizes[0]):
        say(f"writing a backlog of {size}")
        found.append(await _worked(lab, size, size, seconds, {}))
    return found


async def budgets(lab: Lab, seconds: float, sizes: Sequence[int], backlog: int) -> list[Point]:
    """Memory of a worker that may hold so many posts."""
    found = []
    for size in sizes:
        env = {"MODERATION_MAX_IN_FLIGHT_POSTS": str(size), "MODERATION_MAX_IN_FLIGHT_BYTES": str(1024 * MEBIBYTE)}
        found.append(await _worked(lab, size, backlog, seconds, env))
    return found


async def _worked(lab: Lab, size: int, backlog: int, seconds: float, env: dict[str, str]) -> Point:
    run = uuid4().hex
    names = Names(input=f"in-{run}", output=f"out-{run}", dead_letter=f"dead-{run}", group=run)
    load = ((post.id.encode(), post.value()) for post in posts(longest=300))
    await lab.preload(names, itertools.islice(load, backlog))
    async with lab.working(names, Way(env={"MODERATION_SCORE_CACHE_SIZE": "0", **env})) as (worker, watch):
        first = await _first_commits(worker, watch)
        begun, most = time.monotonic(), 0.0
        while (left := seconds - (time.monotonic() - begun)) > 0 and await _done(watch) < backlog:
            most = max(most, psutil.Process(worker.pid).memory_info().rss / MEBIBYTE)
            await asyncio.sleep(min(0.5, left))
        done, took = await _done(watch) - first, time.monotonic() - begun
        await stop(worker)
    found = Point(size, posts_per_second=round(done / took, 1), memory_mib=round(most, 1))
    say(f"{size}: {found.posts_per_second} posts/s, {found.memory_mib} MiB")
    return found


async def _first_commits(worker: Worker, watch: Watch) -> int:
    end = time.monotonic() + FIRST_SECONDS
    while not (done := await _done(watch)):
        if worker.ended() is not None or time.monotonic() > end:
            raise RunError(f"the worker did not begin. The end of its log:\n{worker.tail()}")
        await asyncio.sleep(0.2)
    return done


async def _done(watch: Watch) -> int:
    return sum((await watch.committed()).values())


def steepness(points: Sequence[tuple[float, float]]) -> float:
    """Slope of the straight line through the logarithms, by least squares."""
    xs, ys = zip(*((math.log(x), math.log(y)) for x, y in points), strict=True)
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    rise = math.fsum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True))
    return rise / math.fsum((x - x_mean) ** 2 for x in xs)


def failures(by_length: Sequence[Point], by_backlog: Sequence[Point], by_budget: Sequence[Point]) -> list[str]:
    """What costs more than in proportion; empty where nothing does. Pure.

    The largest is compared with the last of the smallest, measured beside it: what else the machine did concerns both.
    """
    found = []
    long = [(point.size, point.cpu_ms) for point in by_length if point.size >= LONG and point.cpu_ms]
    if len(long) > 1 and (slope := steepness(long)) > STEEPEST:
        found.append(f"the time of a post grows with its length to the power of {slope:.2f}")
    for points, what in ((by_backlog, "backlog"), (by_budget, "budget")):
        if len(points) < 2:
            continue
        small = min(reversed(points), key=lambda point: point.size)
        large = max(points, key=lambda point: point.size)
        memory = (large.memory_mib or 0) / (small.memory_mib or math.inf)
        if what == "backlog" and (large.posts_per_second or 0) < SLOWER * (small.posts_per_second or 0):
            found.append(
                f"a backlog of {large.size} is drained at {large.posts_per_second} posts/s, {small.size} at {small.posts_per_second}"
            )
        if memory > (LARGER if what == "backlog" else large.size / small.size):
            found.append(f"with a {what} of {large.size} it takes {memory:.1f} times the memory of {small.size}")
    return found


def draw(by_length: Sequence[Point], by_backlog: Sequence[Point], by_budget: Sequence[Point], path: Path) -> None:
    """Three curves, side by side."""
    figure = Figure(figsize=(12, 3.6))
    axes = figure.subplots(1, 3)
    by_backlog = sorted(by_backlog, key=lambda point: point.size)
    axes[0].loglog([p.size for p in by_length], [p.cpu_ms for p in by_length], "o-")
    axes[0].set(title="One post", xlabel="characters", ylabel="processor time, ms")
    axes[1].semilogx([p.size for p in by_backlog], [p.posts_per_second for p in by_backlog], "o-")
    axes[1].set(title="Backlog", xlabel="posts waiting", ylabel="posts/s", ylim=(0, None))
    axes[2].semilogx([p.size for p in by_budget], [p.memory_mib for p in by_budget], "o-", label="by budget")
    axes[2].semilogx([p.size for p in by_backlog], [p.memory_mib for p in by_backlog], "s--", label="by backlog")
    axes[2].set(
        title="Memory",
        xlabel="MODERATION_MAX_IN_FLIGHT_POSTS, or posts waiting",
        ylabel="resident, MiB",
        ylim=(0, None),
    )
    axes[2].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=100)


async def measure(options: argparse.Namespace) -> tuple[list[Point], list[Point], list[Point]]:
    """Raises RunError, HarnessError where a worker does not run."""
    settings = Settings(bootstrap_servers="localhost:9092", score_cache_size=0)
    engine = build_engine(settings, limits=dict.fromkeys(Channel, sys.maxsize))
    by_length = lengths(engine, settings.batch_tokens)
    with tempfile.TemporaryDirectory(prefix="growth-") as folder, Kafka() as kafka:
        lab = Lab(kafka, Path(folder))
        sizes = [size for size in BACKLOGS if size <= options.largest]
        by_backlog = await backlogs(lab, options.seconds, sizes)
        by_budget = await budgets(lab, options.seconds, BUDGETS, max(sizes[-1] // 10, sizes[0]))
    return by_length, by_backlog, by_budget


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m load_tests.growth", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=30.0, help="each worker is watched (default %(default)s)")
    parser.add_argument("--largest", type=int, default=BACKLOGS[-1], help="backlog, in posts (default %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("build/growth"), help="folder for JSON and picture")
    options = parser.parse_args(argv)
    if options.seconds <= 0 or options.largest < BACKLOGS[0]:
        parser.error(f"--seconds must be more than 0, --largest at least {BACKLOGS[0]}")
    try:
        curves = asyncio.run(measure(options))
    except (RunError, HarnessError) as error:
        say(str(error))
        return 1
    broken = failures(*curves)
    names = ("length", "backlog", "budget")
    found = {name: [asdict(point) for point in points] for name, points in zip(names, curves, strict=True)}
    options.out.mkdir(parents=True, exist_ok=True)
    document = json.dumps({**found, "failures": broken})
    (options.out / "growth.json").write_text(document + "\n", encoding="utf-8")
    draw(*curves, options.out / "growth.png")
    for failure in broken:
        say(f"FAILED  {failure}")
    print(document)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
