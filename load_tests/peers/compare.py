"""The worker and its peers on one broker in turns: how fast each drains, and how long posts wait at a share of that."""

import asyncio
import itertools
import json
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from load_tests import arrivals
from load_tests.bench import measures
from load_tests.bench.lab import Lab, Run, Way
from load_tests.bench.run import WARM_POSTS, rate
from load_tests.corpus import Keyed, Post
from load_tests.drive import RunError, say
from load_tests.peers.lone import round_trip_ms
from load_tests.peers.table import FRAMEWORK, HUGGING_FACE, LONE, MODEL, SERVER, USUAL, WAYS, WORKER, Found, difference
from load_tests.watch import Names
from load_tests.workers import ROOT
from tests.harness.topics import each_record

PEERS: Mapping[str, str] = {HUGGING_FACE: "hugging_face", USUAL: "usual", SERVER: "served", FRAMEWORK: "framework"}
FEWEST_POSTS = 320
SIZING_POSTS: Mapping[str, int] = {HUGGING_FACE: 160, WORKER: 1_000, MODEL: 1_000}
SIZING_OTHERS = 400
LONE_PER_SECOND, LONE_SECONDS = 2.0, 20.0  # see ceiling.LONE_POSTS
OVERLOAD = 1.2
"""Of what a way did before, so many posts come when its peak is measured: more would only feed the generator."""
MORE, MOST_TRIES = 1.3, 4
"""So many times as many posts come in the next try, where none piled up."""
PILED_UP_SECONDS = 1.0
"""Of work that waits when the last post of an overload comes: with less the way may have kept pace."""
MOST_DIFFERENCE = 0.1
"""Mean absolute difference of scores from the worker's: a peer beyond has another model, or is given other texts."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`drain_seconds`: about how long each drain of a round takes; `level_seconds`: each run at a share of the peak."""

    chosen: Sequence[Post]
    weights: Path
    bundle: Path
    rounds: int = 3
    drain_seconds: float = 12.0
    level_seconds: float = 20.0
    levels: tuple[float, ...] = (0.3, 0.5, 0.7, 0.8)


class Comparison:
    """Runs one after the other; `found` holds what was measured so far. Raises RunError where one fails."""

    def __init__(self, lab: Lab, plan: Plan, folder: Path) -> None:
        self.found = Found()
        self._lab = lab
        self._plan = plan
        self._folder = folder
        self._runs = itertools.count()
        self._sizes: dict[str, int] = {}
        self._overload: dict[str, float] = {}  # posts a second

    async def run(self) -> Found:
        """Sizes first, then rounds of drains and overloads, then rounds of latencies at shares of their medians."""
        plan = self._plan
        await self._size()
        for number in range(plan.rounds):
            for way in WAYS:
                found = await self._drain(way, self._sizes[way])
                self.found.drains[way].append(found)
                say(f"round {number + 1} of {plan.rounds}: {way} {found:.0f} posts/s")
            for way in (WORKER, USUAL):
                found = await self._overloaded(way)
                self._overload[way] = OVERLOAD * found
                self.found.peaks[way].append(found)
                say(f"round {number + 1} of {plan.rounds}: {way} {found:.0f} posts/s while posts pile up")
        for number in range(plan.rounds):
            await self._lone()
            for way, level in [*((WORKER, level) for level in plan.levels), (USUAL, plan.levels[-1])]:
                latencies = await self._level(way, level)
                self.found.latencies[way, level].append(latencies)
                say(f"round {number + 1} of {plan.rounds}: {way} at {level:.0%}: {latencies}")
        return self.found

    async def _size(self) -> None:
        """How many posts each way gets: about so many as it does in `drain_seconds`, always from the first on."""
        scores: dict[str, dict[str, dict[str, float]]] = {}
        found_at: dict[str, float] = {}
        for way in WAYS:
            count = min(SIZING_POSTS.get(way, SIZING_OTHERS), len(self._plan.chosen))
            found = await self._drain(way, count, scores)
            found_at[way] = found
            wanted = int(found * self._plan.drain_seconds)
            self._sizes[way] = min(len(self._plan.chosen), max(FEWEST_POSTS, wanted))
            say(f"{way}: about {found:.0f} posts/s; it gets {self._sizes[way]} posts a round")
        self.found.sizes = self._sizes
        self.found.differences = {way: difference(own, scores[WORKER]) for way, own in scores.items() if way != WORKER}
        if other := [way for way, by in self.found.differences.items() if not by <= MOST_DIFFERENCE]:
            raise RunError(f"other scores than the worker's, so another model: {', '.join(other)}")

        for way in (WORKER, USUAL):
            self._overload[way] = OVERLOAD * found_at[way]  # too much: a drain has the processors for itself
            self._overload[way] = OVERLOAD * await self._overloaded(way)

    def _way(self, way: str) -> Way:
        if way == WORKER:
            # No peer knows a post that it has seen before.
            return Way(env={"MODERATION_BUNDLE": str(self._plan.bundle), "MODERATION_SCORE_CACHE_SIZE": "0"})
        module = f"load_tests.peers.{PEERS[way]}"
        return Way(shlex.join([sys.executable, "-m", module, str(self._plan.weights), str(self._plan.bundle)]))

    def _names(self, way: str) -> Names:
        name = f"{way.replace(' ', '-')}-{next(self._runs)}"
        return Names(input=name, output=f"{name}-out", dead_letter=f"{name}-dead", group=name)

    def _records(self, count: int | None = None) -> Iterator[Keyed]:
        return itertools.islice(
            ((post.id.encode(), post.value()) for post in itertools.cycle(self._plan.chosen)), count
        )

    async def _drain(self, way: str, count: int, scores: dict[str, dict[str, dict[str, float]]] | None = None) -> float:
        if way == MODEL:
            return await self._model_alone(count)
        names = self._names(way)
        await self._lab.preload(names, self._records(count))
        run = await self._lab.drain(names, self._way(way), count)
        if run.seen.report.lost:
            raise RunError(f"{way}: {run.seen.report.lost} of {count} posts have no verdict")
        if scores is not None:
            verdicts = [orjson.loads(r.value or b"{}") async for r in each_record(self._lab.bootstrap, names.output)]
            scores[way] = {verdict["post_id"]: verdict["scores"] for verdict in verdicts}
        return rate(run)

    async def _model_alone(self, count: int) -> float:
        file = self._folder / "posts.jsonl"
        file.write_bytes(b"\n".join(post.value() for post in self._plan.chosen[:count]))
        command = [sys.executable, "-m", "load_tests.peers.ceiling", str(file), str(self._plan.bundle)]
        child = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
        output, _ = await child.communicate()
        if child.returncode:
            raise RunError(f"the model alone ended with status {child.returncode}")
        measured = json.loads(output.splitlines()[-1])
        self.found.alone_ms.append(measured["lone_ms"])
        return float(measured["posts_per_second"])

    async def _lone(self) -> None:
        """Posts far apart, and what they cannot do without: the broker."""
        found = _latencies(await self._fed(WORKER, arrivals.even(LONE_PER_SECOND, LONE_SECONDS)))
        self.found.latencies[WORKER, LONE].append(found)
        topic = f"round-trip-{next(self._runs)}"
        trip = await round_trip_ms(self._lab.bootstrap, topic, self._plan.chosen[0].value())
        self.found.round_trip_ms.append(trip)
        say(f"a lone post: {found}; a round trip to the broker: {trip:.1f} ms")

    async def _overloaded(self, way: str) -> float:
        """Posts a second while posts pile up. Broker and generator need their part of the processors then."""
        per_second = self._overload[way]
        for _ in range(MOST_TRIES):
            run = await self._fed(way, arrivals.poisson(per_second, self._plan.level_seconds))
            try:
                found = measures.sustained_rate(run.seen.pairs)
            except ValueError as error:
                raise RunError(f"{way}: {error}; raise --level-seconds") from error
            waiting = measures.waiting_at_the_end(run.seen.pairs)
            if waiting >= found * (PILED_UP_SECONDS + run.fed.latest_seconds):
                return found
            say(f"{way}: only {waiting} posts wait after {per_second:.0f} posts/s; once more with {MORE} times as many")
            per_second *= MORE
        raise RunError(f"{way}: posts did not pile up at {per_second / MORE:.0f} a second; raise --level-seconds")

    async def _level(self, way: str, level: float) -> dict[str, float]:
        per_second = level * self.found.peak(way)
        seed = len(self.found.latencies[way, level])
        return _latencies(await self._fed(way, arrivals.poisson(per_second, self._plan.level_seconds, seed=seed)))

    async def _fed(self, way: str, due: Iterable[float]) -> Run:
        load = self._records()
        run = await self._lab.feed(self._names(way), self._way(way), itertools.islice(load, WARM_POSTS), load, due)
        if run.seen.report.lost:
            raise RunError(f"{way}: {run.seen.report.lost} posts have no verdict")
        return run


def _latencies(run: Run) -> dict[str, float]:
    return measures.latencies(run.seen.pairs) | {"generator_late_ms": round(run.fed.latest_seconds * 1000)}
