"""A broker, three workers and a schedule, from nothing to the judgement."""

import contextlib
import random
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from load_tests import evidence
from load_tests.chaos.drive import Chaos
from load_tests.chaos.report import Outcome
from load_tests.chaos.schedule import Kind, schedule
from load_tests.corpus import traffic
from load_tests.drive import RunError, say
from load_tests.history import check
from load_tests.lab import create_topics
from load_tests.watch import Names, Watch
from load_tests.workers import DEFAULT_COMMAND, Worker
from tests.harness import Kafka
from tests.harness.gate import Gate

WORKERS = ("chaos-1", "chaos-2", "chaos-3")
IMPATIENT = {
    "MODERATION_SESSION_TIMEOUT_SECONDS": "4",
    "MODERATION_HEARTBEAT_INTERVAL_SECONDS": "0.5",
    "MODERATION_REBALANCE_TIMEOUT_SECONDS": "10",
    "MODERATION_DRAIN_TIMEOUT_SECONDS": "8",
    "MODERATION_REQUEST_TIMEOUT_SECONDS": "5",
    "MODERATION_TRANSACTION_TIMEOUT_SECONDS": "20",
    "MODERATION_MAX_IN_FLIGHT_POSTS": "100",
}
"""Small bounds, so that a fault's end is soon noticed and a worker has done part of its work when one comes."""

LONGEST = 120
"""Characters of a text: faults are about positions, and short posts are many positions in a little time."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run: so many faults by this seed, over so many posts, or more where the workers are fast.

    `commit_seconds`: between commits. Long beside a batch, a worker that is killed has published what is not committed.
    """

    seed: int
    faults: int
    posts: int
    delivery: str
    command: str = DEFAULT_COMMAND
    kinds: tuple[Kind, ...] = tuple(Kind)
    commit_seconds: float = 0.2
    logs: Path | None = None  # where the workers' logs go; None: thrown away
    names: Names = field(default_factory=lambda: Names(group="chaos", partitions=6))


async def run(plan: Plan) -> Outcome:
    """Run the plan on a broker of its own. Raises HarnessError where that cannot run."""
    with contextlib.ExitStack() as stack:
        folder = plan.logs or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        folder.mkdir(parents=True, exist_ok=True)
        kafka = stack.enter_context(Kafka(gates=len(WORKERS)))
        names = plan.names
        await create_topics(kafka.bootstrap, names)
        env = IMPATIENT | {
            "MODERATION_DELIVERY": plan.delivery,
            "MODERATION_COMMIT_INTERVAL_SECONDS": str(plan.commit_seconds),
        }
        workers = [
            stack.enter_context(Worker(name, gate, names, folder, command=plan.command, env=env))
            for name, gate in zip(WORKERS, kafka.gates, strict=True)
        ]
        async with contextlib.AsyncExitStack() as network, Watch(kafka.bootstrap, names) as watch:
            gates = {
                name: await network.enter_async_context(Gate(kafka, number)) for number, name in enumerate(WORKERS)
            }
            records = traffic(sys.maxsize, plan.seed, longest=LONGEST)
            chaos = Chaos(kafka, watch, gates, workers, names.input, records, random.Random(plan.seed))
            complete = True
            try:
                await chaos.run(schedule(plan.seed, plan.faults, plan.kinds), plan.posts)
            except RunError as error:
                complete = False
                chaos.seen.failures.append(str(error).splitlines()[0])
                say(str(error))
        for worker in workers:
            worker.kill()
        say("reading the topics back")
        expected, outputs = await evidence.read_back(kafka.bootstrap, names)
        report = check(expected, outputs, chaos.seen.snapshots, complete=complete)
        return Outcome(plan.seed, plan.delivery, report, chaos.seen)
