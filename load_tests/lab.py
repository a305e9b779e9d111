"""One run: two workers on a preloaded topic, crashes in the middle, and then the judgement."""

import contextlib
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from load_tests import evidence
from load_tests.corpus import traffic
from load_tests.drive import Crash, Drive, Observed, RunError, say
from load_tests.history import Report, check
from load_tests.watch import Names, Watch
from load_tests.workers import DEFAULT_COMMAND, Worker
from tests.harness import Kafka
from tests.harness.gate import Gate
from tests.harness.topics import create_topic, produce

BIG_RECORDS = {"max.message.bytes": str(16 * 1024 * 1024)}
WORKERS = ("load-worker-1", "load-worker-2")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. The first crash shows what is lost with outputs on their way, the second what is repeated."""

    posts: int
    seed: int = 0
    crashes: tuple[Crash, ...] = (Crash(0.35, outage=3.0), Crash(0.55))
    limit_seconds: float = 300.0
    command: str = DEFAULT_COMMAND
    names: Names = field(default_factory=Names)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a run: the checker's report on the logs, and what was seen of the processes."""

    report: Report
    observed: Observed

    @property
    def failures(self) -> list[str]:
        return [*self.report.failures, *self.observed.faults]

    def summary(self) -> dict[str, object]:
        """The run in one JSON-able object. `incomplete`: it was given up, and what had not come by then is not lost."""
        counts = {name: getattr(self.report, name) for name in Report.__slots__ if name != "examples"}
        return counts | {
            "incomplete": self.observed.incomplete,
            "kills": [asdict(kill) for kill in self.observed.kills],
            "snapshots": len(self.observed.snapshots),
            "exit_statuses": self.observed.exit_statuses,
            "failures": self.failures,
        }


async def run(plan: Plan) -> Result:
    """Run the plan on a broker of its own. Raises HarnessError where that cannot run."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="load-")))
        kafka = stack.enter_context(Kafka())
        names = plan.names
        await create_topics(kafka.bootstrap, names)
        # A share of the posts alone, or a small run would be in flight as a whole when the kill comes.
        env = {"MODERATION_MAX_IN_FLIGHT_POSTS": str(max(20, min(2000, plan.posts // 25)))}
        workers = [
            stack.enter_context(Worker(name, kafka.gates[0], names, folder, command=plan.command, env=env))
            for name in WORKERS
        ]

        async def load() -> None:
            say(f"produced {await produce(kafka.bootstrap, names.input, traffic(plan.posts, plan.seed))} records")

        async with Watch(kafka.bootstrap, names) as watch, Gate(kafka) as gate:
            drive = Drive(watch, gate, workers, time.monotonic() + plan.limit_seconds)
            try:
                await drive.run(plan.crashes, load)
            except RunError as error:
                drive.observed.give_up(error)
                say(str(error))
        for worker in workers:
            worker.kill()
        say("reading the topics back")
        return Result(await _judge(kafka.bootstrap, names, drive.observed), drive.observed)


async def create_topics(bootstrap: str, names: Names, *, with_input: bool = True) -> None:
    """Create a run's topics; only the input takes records larger than Kafka's default limit."""
    if with_input:
        await create_topic(bootstrap, names.input, names.partitions, BIG_RECORDS)
    await create_topic(bootstrap, names.output, names.partitions, names.output_config())
    await create_topic(bootstrap, names.dead_letter, names.dead_letter_partitions, names.output_config())


async def _judge(bootstrap: str, names: Names, observed: Observed) -> Report:
    expected, outputs = await evidence.read_back(bootstrap, names)
    return check(expected, outputs, observed.snapshots, complete=not observed.incomplete)
