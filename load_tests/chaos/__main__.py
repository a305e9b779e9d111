"""`python -m load_tests.chaos`: is every promise kept through a seeded schedule of faults? Exit status 1 where not."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from load_tests.chaos.report import draw
from load_tests.chaos.run import Plan, run
from load_tests.chaos.schedule import GENTLE, Kind
from load_tests.drive import say
from load_tests.workers import DEFAULT_COMMAND
from tests.harness.distribution import HarnessError

DESCRIPTION = f"""\
Starts a real Kafka and three workers on a 6-partition topic, keeps them busy, and does one fault after another, by a
seed: {", ".join(kind.value for kind in Kind)}. Each begins once the group is whole again and every
worker has open positions. At the end all topics are read back (committed records alone) and checked against the
input's own log; --out keeps the history and a picture of it. The last line on stdout is one JSON object; the exit
status is 0 where nothing was lost, committed early or out of order, and with exactly_once nothing came twice; without
any fault but {" and ".join(sorted(GENTLE))} nothing may come twice at least once either."""


def parse(argv: Sequence[str] | None = None) -> tuple[Plan, Path | None]:
    """The run that the command line asks for, and where to keep its history."""
    parser = argparse.ArgumentParser(
        prog="python -m load_tests.chaos", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0, help="of the schedule and the made-up texts (default 0)")
    parser.add_argument("--faults", type=int, default=200, help="default 200")
    parser.add_argument("--posts", type=int, default=200_000, help="records at least (default 200000)")
    parser.add_argument("--delivery", choices=("at_least_once", "exactly_once"), default="exactly_once")
    parser.add_argument(
        "--kinds",
        nargs="+",
        type=Kind,
        choices=list(Kind),
        default=list(Kind),
        help="faults to choose from (default all)",
    )
    parser.add_argument("--worker", default=DEFAULT_COMMAND, help="command that runs a worker (default %(default)s)")
    parser.add_argument("--out", type=Path, help="directory for history.json, timeline.png and the workers' logs")
    options = parser.parse_args(argv)
    if options.faults < 1 or options.posts < 1:
        parser.error("--faults and --posts must be at least 1")
    plan = Plan(
        options.seed,
        options.faults,
        options.posts,
        options.delivery,
        options.worker,
        tuple(dict.fromkeys(options.kinds)),
        logs=options.out,
    )
    return plan, options.out


def main(argv: Sequence[str] | None = None) -> int:
    plan, out = parse(argv)
    try:
        outcome = asyncio.run(run(plan))
    except HarnessError as error:
        say(str(error))
        return 1
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "history.json").write_text(json.dumps(outcome.history(), indent=1) + "\n")
        draw(outcome, out / "timeline.png")
    for failure in outcome.failures:
        say(f"FAILED  {failure}")
    print(json.dumps(outcome.summary()))
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main())
