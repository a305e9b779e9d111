"""`python -m load_tests.sizing`: pods, partitions and brokers for a rate of posts, from what one CPU was measured to do.

A model, not a measurement: rates add up over CPUs and pods as `make bench` and `make traffic` found on the CPUs they had; what is
beyond is arithmetic. Pure.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

RATES = (1_000, 10_000, 100_000, 1_000_000)
POD_CPUS = (2, 4, 8, 16)
MOST_PODS = 500
"""Members of one consumer group: every one that comes or goes makes all of them rebalance. Beyond, larger pods come first."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """`per_cpu`: posts a second of one CPU that scores; `event_loop_ms`: of a pod's one event loop, for each post.

    `spare`: how many times the peak there is room for, to catch up after an outage; `growth` of partitions, which are
    awkward to add. Of brokers: bytes of a post and of a verdict as stored, copies of each, and what one broker takes in
    and hands out, in bytes a second.
    """

    per_cpu: float = 150.0
    event_loop_ms: float = 1.0
    spare: float = 1.5
    growth: float = 2.0
    post_bytes: int = 500
    verdict_bytes: int = 900
    copies: int = 3
    readers: int = 1
    broker_bytes: float = 100e6
    broker_partitions: int = 4_000


@dataclass(frozen=True, slots=True)
class Size:
    """What a rate of posts needs. `groups`: worker groups, each with an input topic of its own, where one would be too large."""

    rate: float
    groups: int
    cpus: int
    pods: int
    partitions: int
    brokers: int
    bytes_a_second: float


def size(rate: float, assumed: Assumptions) -> Size:
    """The fewest CPUs a pod with which a group stays within MOST_PODS. Raises ValueError for numbers that are not positive."""
    if min(rate, assumed.per_cpu, assumed.event_loop_ms) <= 0:
        raise ValueError("rates and times must be more than 0")
    wanted = rate * assumed.spare
    # One event loop feeds all scoring threads of a pod: it may be busy for two thirds of its time.
    most_cpus = 1000 / assumed.event_loop_ms * 2 / 3 / assumed.per_cpu
    usable = [cpus for cpus in POD_CPUS if cpus <= most_cpus] or [POD_CPUS[0]]
    cpus = next((cpus for cpus in usable if wanted / (cpus * assumed.per_cpu) <= MOST_PODS), usable[-1])
    pods = max(2, math.ceil(wanted / (cpus * assumed.per_cpu)))
    groups = math.ceil(pods / MOST_PODS)
    pods = groups * math.ceil(pods / groups)
    partitions = _round_up(math.ceil(pods * assumed.growth / groups)) * groups
    stored = rate * (assumed.post_bytes + assumed.verdict_bytes)
    handed_out = rate * (assumed.post_bytes + assumed.verdict_bytes * assumed.readers)
    through = stored * assumed.copies + stored * (assumed.copies - 1) + handed_out
    replicas = 2 * partitions * assumed.copies  # of posts and verdicts
    brokers = max(3, math.ceil(through / assumed.broker_bytes), math.ceil(replicas / assumed.broker_partitions))
    return Size(rate, groups, cpus, pods, partitions, brokers, stored)


def _round_up(partitions: int) -> int:
    """To a number with many divisors, so that pods get equal shares."""
    step = 12 if partitions > 12 else 6
    return math.ceil(partitions / step) * step


def table(sizes: Sequence[Size]) -> str:
    """Markdown."""
    lines = [
        "| posts/s at the peak | groups | CPUs a pod | pods | partitions | brokers | stored/s, before copies |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in sizes:
        cells = (each.groups, each.cpus, f"{each.pods:,}", f"{each.partitions:,}", each.brokers)
        stored = f"{each.bytes_a_second / 1e6:,.1f} MB"
        lines.append(f"| {each.rate:,.0f} | {' | '.join(map(str, cells))} | {stored} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    default = Assumptions()
    parser = argparse.ArgumentParser(prog="python -m load_tests.sizing", description=__doc__)
    parser.add_argument("rates", nargs="*", type=float, help=f"posts/s (default {' '.join(map(str, RATES))})")
    parser.add_argument(
        "--per-cpu", type=float, default=default.per_cpu, help="posts/s of one CPU that scores (default %(default)s)"
    )
    parser.add_argument(
        "--event-loop-ms",
        type=float,
        default=default.event_loop_ms,
        help="of a pod's one event loop, for each post (default %(default)s)",
    )
    parser.add_argument("--post-bytes", type=int, default=default.post_bytes, help="as stored (default %(default)s)")
    parser.add_argument("--readers", type=int, default=default.readers, help="of verdicts (default %(default)s)")
    options = parser.parse_args(argv)
    assumed = Assumptions(
        per_cpu=options.per_cpu,
        event_loop_ms=options.event_loop_ms,
        post_bytes=options.post_bytes,
        readers=options.readers,
    )
    try:
        print(table([size(rate, assumed) for rate in options.rates or RATES]))
    except ValueError as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
