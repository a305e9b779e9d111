"""`python -m load_tests.bench`: one profile of traffic through a real worker. Exit status 1 where a bound is broken."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from load_tests.arrivals import recorded
from load_tests.bench import report
from load_tests.bench.gate import Bounds
from load_tests.bench.profiles import PROFILES
from load_tests.bench.run import Plan, run
from load_tests.drive import RunError, say
from load_tests.workers import DEFAULT_COMMAND
from tests.harness.distribution import HarnessError

DESCRIPTION = """\
Starts a real Kafka and one worker, sends posts at random times decided beforehand (an open loop), and reads the topics
back: every input is matched with its outcome. A latency counts from when the post was due, not from when the generator
got to it, until the broker had appended its verdict (by the broker's clock).

profiles:
{profiles}

The rate is --rate posts/s, or --load of what the worker drains here (measured first). The last line on stdout is one
JSON object. The exit status is 1 where nothing was produced or matched, anything was lost or wrong, exactly once
repeated something, the generator was more than 1 s late, or a latency is beyond its bound.

example: python -m load_tests.bench --profile burst --load 0.2 --seconds 120 --p99-ms 5000 --out build/bench"""


def setting(text: str) -> tuple[str, str]:
    """NAME=VALUE. Raises argparse.ArgumentTypeError for anything else."""
    name, equals, value = text.partition("=")
    if not (name.startswith("MODERATION_") and equals):
        raise argparse.ArgumentTypeError(f"{text!r}: give MODERATION_NAME=VALUE")
    return name, value


def parse(argv: Sequence[str] | None) -> tuple[str, Plan, Bounds, Path | None]:
    profiles = "\n".join(f"  {name:11} {profile.summary}" for name, profile in PROFILES.items())
    parser = argparse.ArgumentParser(
        prog="python -m load_tests.bench",
        description=DESCRIPTION.format(profiles=profiles.replace("%", "%%")),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--profile", choices=PROFILES, default="steady", help="default %(default)s")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long posts come (default %(default)s)")
    parser.add_argument("--rate", type=float, help="posts/s (default: --load of what the worker drains)")
    parser.add_argument("--load", type=float, default=0.5, help="share of that (default %(default)s)")
    parser.add_argument("--shape", type=Path, help="file of counts, one a line, as recorded: the rate follows them")
    parser.add_argument("--texts", type=Path, help="folder of .txt or .txt.zst, a post a line (default: made up)")
    parser.add_argument("--longest", type=int, help="cut posts at so many characters (default: as they are)")
    parser.add_argument("--delivery", choices=("at_least_once", "exactly_once"), default="at_least_once")
    parser.add_argument("--partitions", type=int, default=4, help="of input and output (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of texts and times (default %(default)s)")
    parser.add_argument("--calibration", type=int, default=2_000, help="posts drained to find the rate (%(default)s)")
    parser.add_argument("--p50-ms", type=float, help="fail above this median latency")
    parser.add_argument("--p99-ms", type=float, help="fail above this 99th percentile")
    parser.add_argument("--out", type=Path, help="folder for PROFILE.json, .md and .png")
    parser.add_argument("--worker", default=DEFAULT_COMMAND, help="command that runs a worker (default %(default)s)")
    parser.add_argument("--set", type=setting, action="append", default=[], metavar="NAME=VALUE", help="of the worker")
    options = parser.parse_args(argv)
    given = (options.rate, options.seconds, options.load, options.partitions, options.calibration, options.longest)
    if any(value is not None and value <= 0 for value in given):
        parser.error("rate, seconds, load, partitions, calibration and longest must be more than 0")
    try:
        shape = recorded(options.shape) if options.shape else None
    except (OSError, ValueError) as error:
        parser.error(f"--shape: {error}")
    plan = Plan(
        PROFILES[options.profile],
        options.seconds,
        options.rate,
        options.load,
        shape,
        options.seed,
        options.texts,
        options.longest,
        options.delivery,
        options.partitions,
        options.calibration,
        options.worker,
        tuple(options.set),
    )
    return options.profile, plan, Bounds(options.delivery, options.p50_ms, options.p99_ms), options.out


def main(argv: Sequence[str] | None = None) -> int:
    name, plan, bounds, out = parse(argv)
    try:
        outcome = asyncio.run(run(plan))
    except (RunError, HarnessError, FileNotFoundError) as error:
        say(str(error))
        return 1
    failures = outcome.failures(bounds)
    found = report.summary(outcome, failures)
    if out is not None:
        report.write(name, outcome, found, out)
        say(f"{out / name}.md, .json, .png")
    for failure in failures:
        say(f"FAILED  {failure}")
    print(json.dumps(found))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
