"""A scene to look at: two workers under load, a burst, an outage of the outputs; a Prometheus watches."""

import asyncio
import contextlib
import itertools
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from aiokafka import AIOKafkaProducer

from load_tests.dashboard.prometheus import Pace, Prometheus
from load_tests.drive import RunError, say
from load_tests.hostile import KINDS, PREFIX
from load_tests.lab import create_topics
from load_tests.made_up import made_up_texts
from load_tests.watch import Names
from load_tests.workers import DEFAULT_COMMAND, Worker
from tests.harness import Kafka
from tests.harness.gate import Gate
from tests.harness.topics import Keyed
from worker.demo.samples import SAMPLES, Post, value_of

READY_SECONDS = 60.0
LARGE_BYTES = 10_000
MAX_IN_FLIGHT = 300
"""Small, so that an outage of seconds holds intake back."""


@dataclass(frozen=True, slots=True)
class Script:
    """What happens, in seconds: calm, a burst of posts, calm, no output acknowledged, calm. `hostile`: every how many-th."""

    before: float
    between: float
    outage: float
    after: float
    posts_per_second: int
    burst: int
    hostile: int


@dataclass(frozen=True, slots=True)
class Scene:
    """What there is to look at: from the first scrape to the last, in seconds since 1970."""

    prometheus: Prometheus
    start: float
    end: float


@contextlib.asynccontextmanager
async def live(script: Script, pace: Pace) -> AsyncIterator[Scene]:
    """Play the script; the Prometheus still runs inside the block. Raises HarnessError, and RunError where a worker ends."""
    names = Names(group="dashboard")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dashboard-")))
        kafka = stack.enter_context(Kafka())
        await create_topics(kafka.bootstrap, names)
        env = {"MODERATION_MAX_IN_FLIGHT_POSTS": str(MAX_IN_FLIGHT)}
        workers = [
            stack.enter_context(
                Worker(f"worker-{number}", kafka.gates[0], names, folder, command=DEFAULT_COMMAND, env=env)
            )
            for number in (1, 2)
        ]
        targets = [worker.url.removeprefix("http://") for worker in workers]
        async with Gate(kafka) as gate:
            workers[0].start()
            await _ready(workers[0])
            prometheus = await asyncio.to_thread(stack.enter_context, Prometheus(folder, targets, pace))
            start = time.time()
            async with _traffic(kafka.bootstrap, names.input, script) as burst:
                workers[1].start()
                await _ready(workers[1])
                await asyncio.sleep(script.before)
                say(f"{script.burst} posts come at once")
                await burst(script.burst)
                await asyncio.sleep(script.between)
                say("outputs are held back")
                gate.hold()
                await asyncio.sleep(script.outage)
                if script.after:
                    say("they go through again")
                    gate.release()
                    await asyncio.sleep(script.after)
            for worker in workers:
                if worker.ended() is not None:
                    raise RunError(f"{worker.name} ended. The end of its log:\n{worker.tail()}")
            yield Scene(prometheus, start, time.time())


async def _ready(worker: Worker) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not await asyncio.to_thread(_answers, f"{worker.url}/readyz"):
        if worker.ended() is not None or time.monotonic() > deadline:
            raise RunError(f"{worker.name} did not become ready. The end of its log:\n{worker.tail()}")
        await asyncio.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - loopback
            return True
    except OSError:
        return False


@contextlib.asynccontextmanager
async def _traffic(bootstrap: str, topic: str, script: Script) -> AsyncIterator["_Burst"]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5)
    await producer.start()
    records = _records(script.hostile)
    steady = asyncio.create_task(_steady(producer, topic, records, script.posts_per_second))
    try:
        yield _Burst(producer, topic, records)
    finally:
        steady.cancel()
        await producer.stop()


async def _steady(producer: AIOKafkaProducer, topic: str, records: Iterator[Keyed], per_second: int) -> None:
    while True:
        for key, value in itertools.islice(records, max(1, per_second // 10)):
            await producer.send(topic, key=key, value=value)
        await asyncio.sleep(0.1)


@dataclass(frozen=True, slots=True)
class _Burst:
    producer: AIOKafkaProducer
    topic: str
    records: Iterator[Keyed]

    async def __call__(self, posts: int) -> None:
        for key, value in itertools.islice(self.records, posts):
            await self.producer.send(self.topic, key=key, value=value)


def _records(hostile_every: int) -> Iterator[Keyed]:
    """Harmless posts, some that are flagged, and now and then a hostile record that is no large one."""
    texts = made_up_texts()
    samples = itertools.cycle(sample for sample in SAMPLES if isinstance(sample, Post))
    hostile = itertools.cycle(_small_hostile())
    for number in itertools.count():
        if number % hostile_every == 0:
            kind = next(hostile)
            name = f"{PREFIX}{kind}-{number}"
            yield name.encode(), KINDS[kind].value(name)
        else:
            name = f"post-{number}"
            post = next(samples) if number % 4 == 0 else Post(next(texts))
            yield name.encode(), value_of(post, name)


def _small_hostile() -> list[str]:
    values = {kind: entry.value(kind) for kind, entry in KINDS.items() if entry.keyed and not entry.due.tombstone}
    return [kind for kind, value in values.items() if value is not None and len(value) < LARGE_BYTES]
