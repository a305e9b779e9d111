"""One run of a profile, and what came of it."""

import itertools
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from load_tests import arrivals
from load_tests.bench import gate, measures
from load_tests.bench.lab import Lab, Run, Way
from load_tests.bench.profiles import Profile, records
from load_tests.drive import RunError, say
from load_tests.watch import Names
from load_tests.workers import DEFAULT_COMMAND
from tests.harness import Kafka

WARM_POSTS = 64


@dataclass(frozen=True, slots=True)
class Plan:
    """`per_second` None: `load` of what a drain of `calibration` posts shows. `shape` in place of the profile's own."""

    profile: Profile
    seconds: float = 60.0
    per_second: float | None = None
    load: float = 0.5
    shape: tuple[float, ...] | None = None
    seed: int = 0
    texts: Path | None = None
    longest: int | None = None
    delivery: str = "at_least_once"
    partitions: int = 4
    calibration: int = 2_000
    command: str = DEFAULT_COMMAND
    settings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """`peak`: posts a second of the calibration, where there was one; `drained`: of a preloaded run."""

    plan: Plan
    per_second: float
    peak: float | None
    drained: float | None
    run: Run

    def failures(self, bounds: gate.Bounds) -> list[str]:
        """See `gate.failures`."""
        run = self.run
        return gate.failures(
            run.seen.report,
            measures.latencies(run.seen.pairs),
            bounds,
            fed=run.fed.records,
            late_seconds=run.fed.latest_seconds,
            exit_status=run.exit_status,
        )


async def run(plan: Plan) -> Outcome:
    """On a broker of its own. Raises RunError, HarnessError where it cannot run."""
    profile = plan.profile
    load = records(profile.posts, plan.seed, plan.texts, plan.longest)
    way = Way(plan.command, {"MODERATION_DELIVERY": plan.delivery, **dict(plan.settings)})
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, Kafka() as kafka:
        lab = Lab(kafka, Path(folder))
        peak, per_second = None, plan.per_second
        if per_second is None:
            peak = await _peak(lab, plan, way)
            per_second = peak * plan.load
        names = _names("bench", plan)
        shape = plan.shape or profile.shape
        if profile.preloaded:
            count = await lab.preload(names, itertools.islice(load, max(1, int(per_second * plan.seconds))))
            say(f"{count} posts are there; the worker starts")
            drained = await lab.drain(names, way, count)
            return Outcome(plan, per_second, peak, rate(drained), drained)
        say(f"{per_second:.0f} posts/s for {plan.seconds:.0f} s")
        due = arrivals.poisson(per_second, plan.seconds, shape, plan.seed)
        fed = await lab.feed(names, way, itertools.islice(load, WARM_POSTS), load, due)
        return Outcome(plan, per_second, peak, None, fed)


async def _peak(lab: Lab, plan: Plan, way: Way) -> float:
    names = _names("calibration", plan)
    load = records(plan.profile.posts, plan.seed, plan.texts, plan.longest)
    count = await lab.preload(names, itertools.islice(load, plan.calibration))
    peak = rate(await lab.drain(names, way, count))
    say(f"{peak:.0f} posts/s at most, from a backlog of {plan.calibration}")
    return peak


def _names(name: str, plan: Plan) -> Names:
    return replace(
        Names(), input=name, output=f"{name}-out", dead_letter=f"{name}-dead", group=name, partitions=plan.partitions
    )


def rate(drained: Run) -> float:
    """Posts a second of a drain. Raises RunError where it shows none."""
    try:
        return measures.drain_rate([pair.done_ms for pair in drained.seen.pairs])
    except ValueError as error:
        raise RunError(str(error)) from error
