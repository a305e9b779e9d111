"""`python -m load_tests.bench.versus`: settings side by side, in turns."""

import argparse
import asyncio
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from load_tests.bench import report
from load_tests.bench.__main__ import setting
from load_tests.bench.gate import Bounds
from load_tests.bench.profiles import PROFILES
from load_tests.bench.run import Plan, run
from load_tests.drive import RunError, say
from tests.harness.distribution import HarnessError

DESCRIPTION = """\
The same posts at the same times through workers with different settings, one after the other in several rounds, each on
a broker of its own. What the table compares with the first way are medians of the ratios of rounds.

examples:
  python -m load_tests.bench.versus --rate 100 MODERATION_BATCH_TOKENS=256 MODERATION_BATCH_TOKENS=512
  python -m load_tests.bench.versus --profile duplicates --rate 100 MODERATION_SCORE_CACHE_SIZE=0 MODERATION_SCORE_CACHE_SIZE=10000
  python -m load_tests.bench.versus --profile backlog --rate 100 MODERATION_BUNDLE=old MODERATION_BUNDLE=new

Several settings of one way: NAME=VALUE,NAME=VALUE. The last line on stdout is one JSON object."""

MEASURES = ("posts_per_second", "worker_cpu_ms", "broker_cpu_ms", "p50_ms", "p99_ms")
"""`posts_per_second`: drained, of a preloaded profile alone; CPU time is for each post."""


def measured(found: Mapping[str, Any]) -> dict[str, float]:
    """What is compared, of one run's summary."""
    rate = found["drained_per_second"] or found["per_second"]
    numbers = {f"{who}_cpu_ms": found["cores"][who] / rate * 1000 for who in ("worker", "broker")}
    if found["drained_per_second"]:
        return {"posts_per_second": rate, **numbers}
    return {**numbers, **{f"{which}_ms": found["latency_ms"][which] for which in ("p50", "p99")}}


def compared(rounds: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    """Medians, and of the ratios to the first way, round by round, under `x_…`."""
    first = next(iter(rounds.values()))
    return {
        way: {name: round(statistics.median(each[name] for each in own), 2) for name in own[0]}
        | {
            f"x_{name}": round(statistics.median(a[name] / b[name] for a, b in zip(own, first, strict=True)), 3)
            for name in own[0]
        }
        for way, own in rounds.items()
    }


def table(found: Mapping[str, Mapping[str, float]]) -> str:
    """Markdown."""
    names = [name for name in MEASURES if name in next(iter(found.values()))]
    lines = [f"| way | {' | '.join(name.replace('_', ' ') for name in names)} |", "|---" * (len(names) + 1) + "|"]
    for way, own in found.items():
        cells = [f"{own[name]:g} (x {own['x_' + name]:.2f})" for name in names]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return "\n".join(lines)


async def versus(plan: Plan, ways: Sequence[str], rounds: int) -> dict[str, list[dict[str, float]]]:
    """Rounds of each way, in order. Raises RunError where one loses a post, is late, or does not run."""
    found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for number in range(rounds):
        for way, own in found.items():
            outcome = await run(replace(plan, settings=tuple(map(setting, way.split(",")))))
            if failures := outcome.failures(Bounds(plan.delivery)):
                raise RunError(f"{way}: {'; '.join(failures)}")
            own.append(measured(report.summary(outcome, [])))
            say(f"round {number + 1} of {rounds}: {way} {own[-1]}")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m load_tests.bench.versus",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("ways", nargs="+", metavar="NAME=VALUE[,NAME=VALUE]", help="settings of the worker")
    parser.add_argument("--profile", choices=PROFILES, default="steady", help="default %(default)s")
    parser.add_argument(
        "--rate", type=float, required=True, help="posts/s, of a backlog: times --seconds are its posts"
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="default %(default)s")
    parser.add_argument(
        "--longest", type=int, default=300, help="cut posts at so many characters (default %(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="default %(default)s")
    options = parser.parse_args(argv)
    if min(options.rate, options.seconds, options.longest, options.rounds) <= 0:
        parser.error("all numbers must be more than 0")
    if len(set(options.ways)) < len(options.ways):
        parser.error("each way is one of its own")
    plan = Plan(PROFILES[options.profile], options.seconds, options.rate, longest=options.longest)
    try:
        for way in options.ways:
            for each in way.split(","):
                setting(each)
        found = compared(asyncio.run(versus(plan, options.ways, options.rounds)))
    except argparse.ArgumentTypeError as error:
        parser.error(str(error))
    except (RunError, HarnessError) as error:
        say(str(error))
        return 1
    print(table(found))
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
