"""A stage for the broker tests: topics of their own, workers as processes, and the judgement over what they left."""

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import orjson
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from load_tests import evidence
from load_tests.history import Report, check
from load_tests.lab import BIG_RECORDS
from load_tests.watch import Names, Watch
from load_tests.workers import DEFAULT_COMMAND, Worker
from tests.harness import Kafka
from tests.harness.cluster import Cluster
from tests.harness.topics import Keyed, create_topic, produce

PATIENCE_SECONDS = 60.0


class Scene:
    """One input topic with its output, dead letters and group, on a running broker."""

    def __init__(self, kafka: Kafka | Cluster, names: Names, watch: Watch, workers: ExitStack, folder: Path) -> None:
        self.kafka = kafka
        self.names = names
        self.watch = watch
        self._workers = workers
        self._folder = folder

    def worker(self, name: str = "a", env: Mapping[str, str] | None = None) -> Worker:
        """Start a worker; it is killed at the end of the test where nothing else ended it."""
        quick = {"MODERATION_COMMIT_INTERVAL_SECONDS": "0.2"}
        worker = Worker(
            name, self.kafka.bootstrap, self.names, self._folder, command=DEFAULT_COMMAND, env=quick | dict(env or {})
        )
        self._workers.enter_context(worker).start()
        return worker

    async def produce(self, records: Iterable[Keyed], partition: int | None = None) -> int:
        return await produce(self.kafka.bootstrap, self.names.input, records, partition)

    async def grow(self, topic: str, partitions: int) -> None:
        """Add partitions to a topic, up to so many."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka.bootstrap)
        await admin.start()
        try:
            await admin.create_partitions({topic: NewPartitions(partitions)})
        finally:
            await admin.close()
        if topic == self.names.input:
            self.names = self.watch._names = replace(self.names, partitions=partitions)

    async def until(self, reached: Callable[[int, int], bool], *workers: Worker) -> None:
        """Wait until `reached(committed, total)`; fails where one of `workers` ends or nothing comes of it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            total = sum((await self.watch.input_ends()).values())
            committed = sum((await self.watch.committed()).values())
            if reached(committed, total):
                return
            for worker in workers:
                assert worker.ended() is None, worker.tail()
            assert time.monotonic() < deadline, f"{committed} of {total} committed\n" + "\n".join(
                w.tail() for w in workers
            )
            await asyncio.sleep(0.05)

    async def until_done(self, *workers: Worker) -> None:
        """Wait until every position is committed."""
        await self.until(lambda committed, total: committed == total, *workers)

    async def until_shared(self, *workers: Worker) -> None:
        """Wait until each of these workers holds partitions, and nobody else does."""
        await self._poll(lambda held: held.keys() == {w.name for w in workers} and all(held.values()))

    async def _poll(self, reached: Callable[[Mapping[str, frozenset[int]]], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not reached(held := dict(await self.watch.members())):
            assert time.monotonic() < deadline, held
            await asyncio.sleep(0.05)

    async def until_members(self, count: int) -> None:
        """Wait until the group is stable with this many members."""
        await self._poll(lambda held: len(held) == count)

    async def until_logged(self, worker: Worker, text: str) -> None:
        """Wait until the worker's log holds `text`."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while text not in worker.tail(100_000):
            assert time.monotonic() < deadline, worker.tail()
            await asyncio.sleep(0.05)

    async def until_said_again(self, worker: Worker, text: str, before: int) -> None:
        """Wait until the worker's log holds `text` more than `before` times."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while worker.tail(10**9).count(text) <= before:
            assert worker.ended() is None, worker.tail()
            assert time.monotonic() < deadline, worker.tail()
            await asyncio.sleep(0.05)

    async def until_ready(self, worker: Worker) -> None:
        """Wait until /readyz says yes."""
        await self._until_ok(worker, "readyz")

    async def until_live(self, worker: Worker) -> None:
        """Wait until /livez says yes: the process is up, and perhaps waiting for the broker."""
        await self._until_ok(worker, "livez")

    async def _until_ok(self, worker: Worker, path: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.get(worker, path).get("ok"):
            assert time.monotonic() < deadline, worker.tail()
            await asyncio.sleep(0.05)

    async def ended(self, worker: Worker) -> int:
        """Wait until the worker ends by itself; its exit status."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (status := worker.ended()) is None:
            assert time.monotonic() < deadline, worker.tail()
            await asyncio.sleep(0.05)
        return status

    def get(self, worker: Worker, path: str) -> dict[str, object]:
        """What a probe answers; {} where nobody listens yet."""
        try:
            with urllib.request.urlopen(f"{worker.url}/{path}", timeout=5) as response:  # noqa: S310 - loopback
                found: dict[str, object] = json.load(response)
        except urllib.error.HTTPError as error:
            return dict(json.load(error))
        except OSError:
            return {}
        return found

    async def metrics(self, worker: Worker) -> dict[str, float]:
        """The worker's metrics by series, now."""
        return await asyncio.to_thread(_series, worker)

    async def until_metric(self, worker: Worker, series: str, value: float) -> None:
        """Wait until the worker shows this value."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (found := (await self.metrics(worker)).get(series)) != value:
            assert time.monotonic() < deadline, f"{series} is {found}\n{worker.tail()}"
            await asyncio.sleep(0.1)

    async def settled_metrics(self, worker: Worker) -> dict[str, float]:
        """The worker's metrics by series, once it has nothing in flight and its gauges say so."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            found = await asyncio.to_thread(_series, worker)
            lags = [value for name, value in found.items() if name.startswith("moderation_consumer_lag{")]
            if found["moderation_in_flight_posts"] == 0 and lags and not any(lags):
                return found
            assert time.monotonic() < deadline, found
            await asyncio.sleep(0.1)

    async def judge(self, *, complete: bool = True, same_partitions: bool = True) -> Report:
        """Read all topics back and check them against the input's own log; see `check`."""
        expected, outputs = await evidence.read_back(self.kafka.bootstrap, self.names)
        return check(
            expected, outputs, [await self.watch.snapshot()], complete=complete, same_partitions=same_partitions
        )


def _series(worker: Worker) -> dict[str, float]:
    with urllib.request.urlopen(f"{worker.url}/metrics", timeout=5) as response:  # noqa: S310 - loopback
        lines = response.read().decode().splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


@asynccontextmanager
async def scene(
    kafka: Kafka | Cluster,
    unique: Callable[[str], str],
    folder: Path,
    partitions: int = 4,
    *,
    input_config: Mapping[str, str] | None = None,
    output_config: Mapping[str, str] | None = None,
    replicas: Sequence[int] = (),
) -> AsyncIterator[Scene]:
    """Create the topics of one test, under names that no other test uses; for `replicas` see create_topic."""
    names = Names(unique("input"), unique("output"), unique("dead"), unique("group"), partitions)
    await create_topic(kafka.bootstrap, names.input, partitions, {**BIG_RECORDS, **(input_config or {})}, replicas)
    await create_topic(kafka.bootstrap, names.output, partitions, output_config, replicas)
    await create_topic(kafka.bootstrap, names.dead_letter, 1, None, replicas)
    async with AsyncExitStack() as stack:
        watch = await stack.enter_async_context(Watch(kafka.bootstrap, names))
        workers = stack.enter_context(ExitStack())
        yield Scene(kafka, names, watch, workers, folder)


def made_up_posts(count: int, words: int = 20) -> Iterator[Keyed]:
    """Posts with an id each, as key too."""
    for number in range(count):
        text = " ".join(f"word{number * 7 % 97 + k}" for k in range(words))
        yield f"p{number}".encode(), orjson.dumps({"id": f"p{number}", "text": text})
