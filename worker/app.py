"""The composition root: one worker process from start to stop, with its signals and probes."""

import asyncio
import signal
import time
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Any

import structlog

from worker.core.errors import Fatal, Transient
from worker.core.trouble import Doing
from worker.core.types import Partition
from worker.engine import Engine, build_engine
from worker.kafka.cluster import TopicFacts, inspect
from worker.kafka.refusals import lost_permission
from worker.ops import logs
from worker.ops.health import Health
from worker.ops.http import HttpServer
from worker.ops.spoken import SpokenMetrics
from worker.settings import Settings
from worker.wiring import (
    TOPIC_VARIABLES,
    Parts,
    assemble,
    connection,
    existing,
    open_tracing,
    record_limits,
    topic_names,
)

if TYPE_CHECKING:
    from worker.tracing import Tracing

log = structlog.get_logger(__name__)

TICK_SECONDS = 0.5
RETRY_SECONDS = 1.0
INTERRUPTED = 130


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status. Raises Fatal with what to change."""
    logs.configure(settings.log_level, settings.log_format)
    try:
        return asyncio.run(Worker(settings).serve())
    except asyncio.CancelledError:  # asked to stop twice
        return INTERRUPTED


class Worker:
    """One worker process. `serve` runs it; `stop` ends it cleanly. Implements Membership."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._metrics = SpokenMetrics()
        self._health = Health(stall_timeout=settings.stall_timeout_seconds)
        self._parts: Parts | None = None
        self._tracing: Tracing | None = None
        self._stopping = asyncio.Event()
        self._serving: asyncio.Task[Any] | None = None
        self.ready = asyncio.Event()
        self.http_port = 0

    def stop(self) -> None:
        """Finish what is in flight, commit, leave the group; `serve` then returns."""
        if not self._stopping.is_set():
            log.info("stopping: finishing what is in flight")
            self._stopping.set()
            if self._parts is not None:
                self._parts.pipeline.stop()

    def interrupt(self) -> None:
        """Stop at the first Ctrl-C; at the second end at once, which loses nothing: it will be read again."""
        if self._stopping.is_set() and self._serving is not None:
            self._serving.cancel()
        self.stop()

    async def serve(self) -> int:
        """Run until `stop` or a signal. Raises Fatal."""
        self._serving = asyncio.current_task()
        self._tracing = open_tracing(self._settings)
        server = HttpServer(
            self._settings.http_host, self._settings.http_port, registry=self._metrics.registry, health=self._health
        )
        with closing(server), closing(self._tracing) if self._tracing else nullcontext():
            self.http_port = server.port
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTERM, self.stop)
            loop.add_signal_handler(signal.SIGINT, self.interrupt)
            try:
                if await self._started():
                    await self._work()
            except BaseExceptionGroup as group:
                raise self._advised(_first_fatal(group)) or group from None
        log.info("stopped")
        return 0

    def _advised(self, fatal: Fatal | None) -> Fatal | None:
        outputs = (self._settings.output_topic, self._settings.dead_letter_topic)
        return fatal and Fatal(f"{fatal}{lost_permission(fatal.__cause__, outputs)}")

    async def _started(self) -> bool:
        """Everything that may take long before the first record; False where `stop` came first."""
        starting = asyncio.create_task(self._start())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            if not starting.done():
                starting.cancel()
        if self._stopping.is_set():
            return False
        self._parts = await starting
        return True

    async def _start(self) -> Parts:
        facts = await self._topics()
        limits = record_limits(self._settings, facts)
        engine = await asyncio.to_thread(build_engine, self._settings, limits=limits, decided=self._metrics.decided)
        self._loaded(engine)
        parts = assemble(self._settings, facts, engine, self._metrics, self, self._tracing)
        await parts.sink.start()
        return parts

    def _loaded(self, engine: Engine) -> None:
        bundle = engine.bundle
        self._metrics.scorers(engine.scoring_threads)
        self._metrics.model_loaded(
            name=bundle.name,
            version=bundle.version,
            sha256=bundle.sha256,
            quantization=bundle.manifest.quantization,
            labels=bundle.labels,
        )
        self._health.model_loaded()
        log.info("starting", model=bundle.name, version=bundle.version, threads=engine.scoring_threads)

    async def _topics(self) -> dict[str, TopicFacts]:
        """Describe the three topics; wait for a broker as long as one request may take, then give up."""
        names = topic_names(self._settings)
        deadline = time.monotonic() + self._settings.request_timeout_seconds
        while True:
            try:
                facts = await inspect(connection(self._settings), names)
                break
            except Transient as error:
                if time.monotonic() > deadline:
                    raise Fatal(str(error)) from error
                log.warning("waiting for Kafka", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
        return {
            name: existing(name, facts.get(name), variable)
            for name, variable in zip(names, TOPIC_VARIABLES, strict=True)
        }

    async def _work(self) -> None:
        if self._parts is None:
            raise RuntimeError("the worker was not started")
        parts = self._parts
        ticker = asyncio.create_task(self._tick(parts))
        try:
            await parts.pipeline.run()
        finally:
            self._health.joined(in_group=False)
            ticker.cancel()
            await parts.source.leave()
            await parts.sink.stop()

    # Membership

    def joined(self) -> None:
        """The worker is in the group."""
        self._health.joined(in_group=True)
        self.ready.set()

    def assigned(self, partitions: int) -> None:
        """A rebalance ended."""
        self._metrics.rebalanced()
        self._metrics.assigned(partitions)

    def partition_stopped(self, partition: Partition) -> None:
        """A partition's commit lies outside the log."""
        self._metrics.partition_stopped(partition)

    def offset_jumped(self) -> None:
        """A partition went on at its earliest offset."""
        self._metrics.offset_jumped()

    async def _tick(self, parts: Parts) -> None:
        """Report what nobody calls in: the loop's own lag, partitions' lag, progress for the liveness probe."""
        lanes, budget = parts.pipeline.lanes, parts.pipeline.budget
        positions: dict[Partition, int | None] = {}
        while True:
            start = time.monotonic()
            await asyncio.sleep(TICK_SECONDS)
            self._metrics.event_loop_lag(time.monotonic() - start - TICK_SECONDS)
            self._health.beat()
            self._metrics.in_flight(budget.posts, budget.bytes)
            for gone in positions.keys() - lanes.keys():
                del positions[gone]
                self._metrics.forget(gone)
                self._health.forget(gone)
            troubles = (parts.source.trouble, parts.pipeline.trouble, parts.pipeline.commit_trouble)
            for doing, trouble in zip(Doing, troubles, strict=True):
                self._metrics.kafka_failing(doing, self._health.kafka(doing, trouble))
            ends = parts.source.end_offsets()
            for partition, lane in lanes.items():
                oldest = lane.ledger.oldest()
                position = parts.source.position(partition) if oldest is None else oldest.offset
                self._health.waiting(partition, has_work=oldest is not None)
                if positions.get(partition) != position:
                    self._health.progress(partition)
                positions[partition] = position
                if partition in ends and position is not None:
                    self._metrics.lag(partition, max(0, ends[partition] - position))
                behind = time.time() - oldest.timestamp_ms / 1000 if oldest and oldest.timestamp_ms >= 0 else 0.0
                self._metrics.time_lag(partition, max(0.0, behind))


def _first_fatal(group: BaseExceptionGroup[BaseException]) -> Fatal | None:
    """The Fatal among the errors of a task group: what the operator has to change."""
    for error in group.exceptions:
        found = _first_fatal(error) if isinstance(error, BaseExceptionGroup) else error
        if isinstance(found, Fatal):
            return found
    return None
