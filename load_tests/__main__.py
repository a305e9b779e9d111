"""`python -m load_tests`: does every post come out, in order, through a crash? Exit status 1 where not."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence

from load_tests.drive import EARLIEST_KILL, LATEST_KILL, Crash, say
from load_tests.lab import Plan, run
from load_tests.workers import DEFAULT_COMMAND
from tests.harness.distribution import HarnessError

DESCRIPTION = """\
Starts a real Kafka and two workers on a 4-partition topic, and fills it with posts (about 1 in 100 records is hostile:
no JSON, 5 MB, ...). In the middle of the output a proxy holds outputs back for a while but lets commits through; then one
worker is killed with -9 and restarted, and later one more without warning. At the end every topic is read back:

  lost            input records without any output
  out_of_order    first outputs of a partition that came before those of an earlier record
  early_commits   positions that were committed before their output was in the log
  misplaced       outputs in another partition than their input's
  unmatched       outputs that name no input record
  wrong_outcomes  records with an output that is not due to them (a plain post as a dead letter, another reason)
  changed_repeats repeats with another event id, scores or reason
  duplicates      records with an output more than once: allowed after a crash

The last line on stdout is one JSON object; the exit status is 0 where all but the last are 0. A run that cannot be
brought to its end (no kill came in the middle, nothing moves, the time is up) says "incomplete": true, names the reason
among its failures, calls nothing lost that might still have come, and ends with 1."""

FEWEST_POSTS = 500
"""Fewer are done before the workers share them, and a kill cannot come in the middle."""


def parse(argv: Sequence[str] | None = None) -> Plan:
    """The run that the command line asks for; wrong usage raises SystemExit(2), as argparse does."""
    parser = argparse.ArgumentParser(
        prog="python -m load_tests", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--posts",
        type=int,
        default=50_000,
        help=f"records to produce, at least {FEWEST_POSTS} (default 50000)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the made-up texts (default 0)")
    parser.add_argument("--outage", type=float, default=3.0, help="seconds without outputs before a kill (default 3)")
    parser.add_argument("--kill-at", type=float, default=0.35, help="share of the output for that kill (default 0.35)")
    parser.add_argument("--kill-again-at", type=float, default=0.55, help="for the other (default 0.55; 0: none)")
    parser.add_argument("--limit", type=float, help="seconds the run may take (default 300 and one for 40 posts)")
    parser.add_argument("--worker", default=DEFAULT_COMMAND, help="command that runs a worker (default %(default)s)")
    options = parser.parse_args(argv)
    if options.posts < FEWEST_POSTS:
        parser.error(f"--posts must be at least {FEWEST_POSTS}: fewer are done before a kill can come in the middle")
    again = [Crash(options.kill_again_at)] if options.kill_again_at else []
    crashes = (Crash(options.kill_at, options.outage), *again)
    if not all(EARLIEST_KILL <= crash.at <= LATEST_KILL for crash in crashes):
        parser.error(f"kills must come between {EARLIEST_KILL} and {LATEST_KILL} of the output")
    limit = options.limit if options.limit is not None else 300 + options.posts / 40
    return Plan(options.posts, options.seed, crashes, limit, options.worker)


def main(argv: Sequence[str] | None = None) -> int:
    plan = parse(argv)
    try:
        result = asyncio.run(run(plan))
    except HarnessError as error:
        say(str(error))
        return 1
    for kind, positions in result.report.examples.items():
        say(f"{kind}, for example (partition, offset): {', '.join(str(tuple(position)) for position in positions)}")
    for failure in result.failures:
        say(f"FAILED  {failure}")
    print(json.dumps(result.summary()))
    return 1 if result.failures else 0


if __name__ == "__main__":
    sys.exit(main())
