"""`python -m load_tests.chaos.mutants`: does the checker find each broken promise? Exit status 1 where it misses one."""

import argparse
import asyncio
import json
import shlex
import sys
from collections.abc import Sequence

from load_tests.chaos.mutations import ALL, Mutation
from load_tests.chaos.run import Plan, run
from load_tests.drive import say
from tests.harness.distribution import HarnessError

POSTS = 1_000


async def find(name: str, mutation: Mutation, seed: int) -> dict[str, object]:
    """Put one mutant through the faults that expose it: what the checker counted, and whether it was `found`.

    A mutant that only fails to run breaks no promise, and so is not found. Raises HarnessError.
    """
    command = shlex.join([sys.executable, "-m", "load_tests.chaos.mutations", name])
    outcome = await run(Plan(seed, mutation.faults, POSTS, mutation.delivery, command, tuple(mutation.kinds)))
    summary = outcome.summary()
    counts = {count: summary[count] for count in ("lost", "duplicated", "out_of_order", "early_commits")}
    found = bool(outcome.failures) and any(summary[count] for count in mutation.shown_by)
    return {"found": found, "posts": summary["posts"], **counts, "failures": outcome.failures}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m load_tests.chaos.mutants",
        description="Runs the fault lab over workers that break one promise each on purpose.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ALL)} (default all)")
    parser.add_argument("--seed", type=int, default=0, help="of the schedule and the made-up texts (default 0)")
    options = parser.parse_args(argv)
    if unknown := set(options.names) - set(ALL):
        parser.error(f"no such mutation: {', '.join(sorted(unknown))}")
    results: dict[str, dict[str, object]] = {}
    for name in options.names or ALL:
        say(f"{name}: {ALL[name].promise}")
        try:
            results[name] = asyncio.run(find(name, ALL[name], options.seed))
        except HarnessError as error:
            say(str(error))
            return 1
        say(f"{name}: {results[name]}")
    print(f"{'mutation':30} {'found':5} {'lost':>6} {'twice':>6} {'early':>6} {'order':>6}")
    for name, result in results.items():
        counts = (result[count] for count in ("lost", "duplicated", "early_commits", "out_of_order"))
        print(f"{name:30} {'yes' if result['found'] else 'NO':5} " + " ".join(f"{count:>6}" for count in counts))
    print(json.dumps({"seed": options.seed, "mutations": results}))
    return 0 if all(result["found"] for result in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
