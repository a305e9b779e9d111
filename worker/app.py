"""The composition root: builds the adapters from the settings, wires the pipeline, answers signals and probes."""

import asyncio
import signal
import time
from contextlib import closing, suppress
from typing import Any

import structlog

from worker.core.errors import Fatal, Transient
from worker.core.retry import Backoff
from worker.core.types import Channel, Partition
from worker.engine import Engine, build_engine
from worker.kafka.cluster import TopicFacts, inspect
from worker.kafka.consumer import KafkaSource
from worker.kafka.producer import KafkaSink
from worker.ops import logs
from worker.ops.health import Health
from worker.ops.http import HttpServer
from worker.ops.metrics import Metrics
from worker.pipeline import Limits, Pipeline
from worker.settings import Settings, kafka_security

log = structlog.get_logger(__name__)

TICK_SECONDS = 0.5
INTERRUPTED = 130


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status. Raises Fatal with what to change."""
    logs.configure(settings.log_level, settings.log_format)
    try:
        return asyncio.run(Worker(settings).serve())
    except asyncio.CancelledError:  # asked to stop twice
        return INTERRUPTED


class Worker:
    """One worker process. `serve` runs it; `stop` ends it cleanly."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._metrics = Metrics()
        self._health = Health(stall_timeout=settings.stall_timeout_seconds)
        self._pipeline: Pipeline | None = None
        self._stopping = asyncio.Event()
        self._serving: asyncio.Task[Any] | None = None
        self.ready = asyncio.Event()
        self.http_port = 0

    def stop(self) -> None:
        """Finish what is in flight, commit, leave the group; `serve` then returns."""
        if not self._stopping.is_set():
            log.info("stopping: finishing what is in flight")
            self._stopping.set()
            if self._pipeline is not None:
                self._pipeline.stop()

    def interrupt(self) -> None:
        """Stop at the first Ctrl-C; at the second end at once, which loses nothing: it will be read again."""
        if self._stopping.is_set() and self._serving is not None:
            self._serving.cancel()
        self.stop()

    async def serve(self) -> int:
        """Run until `stop` or a signal. Raises Fatal."""
        self._serving = asyncio.current_task()
        server = HttpServer(
            self._settings.http_host, self._settings.http_port, registry=self._metrics.registry, health=self._health
        )
        with closing(server):
            self.http_port = server.port
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTERM, self.stop)
            loop.add_signal_handler(signal.SIGINT, self.interrupt)
            try:
                await self._serve()
            except* Fatal as group:
                raise _first(group) from None
        log.info("stopped")
        return 0

    async def _serve(self) -> None:
        settings = self._settings
        facts = await self._topics()
        limits = {
            Channel.OUTPUT: _limit(settings.max_output_bytes, facts[settings.output_topic]),
            Channel.DEAD_LETTER: _limit(settings.max_dead_letter_bytes, facts[settings.dead_letter_topic]),
        }
        engine = await asyncio.to_thread(build_engine, settings, limits=limits, decided=self._metrics.decided)
        bundle = engine.bundle
        self._metrics.model_loaded(
            name=bundle.name,
            version=bundle.version,
            sha256=bundle.sha256,
            quantization=bundle.manifest.quantization,
            labels=bundle.labels,
        )
        self._health.model_loaded()
        sink = KafkaSink(
            connection=connection(settings),
            input_partitions=facts[settings.input_topic].partitions,
            topics={Channel.OUTPUT: settings.output_topic, Channel.DEAD_LETTER: settings.dead_letter_topic},
            facts={
                Channel.OUTPUT: facts[settings.output_topic],
                Channel.DEAD_LETTER: facts[settings.dead_letter_topic],
            },
            limits=limits,
        )
        source = KafkaSource(
            settings.input_topic,
            connection=connection(settings),
            group=_group(settings),
            allow_jump=settings.out_of_range == "earliest",
            membership=self,
            backoff=Backoff(deadline=settings.retry_deadline_seconds),
        )
        self._pipeline = _pipeline(settings, engine, source, sink, self._metrics)
        if self._stopping.is_set():
            return
        log.info("starting", model=engine.bundle.name, version=engine.bundle.version, threads=engine.scoring_threads)
        ticker = asyncio.create_task(self._tick(self._pipeline, source))
        try:
            await sink.start()
            await self._pipeline.run()
        finally:
            self._health.joined(in_group=False)
            ticker.cancel()
            await source.leave()
            await sink.stop()

    async def _topics(self) -> dict[str, TopicFacts]:
        """Describe the three topics; wait for a broker as long as one request may take, then give up."""
        settings = self._settings
        names = (settings.input_topic, settings.output_topic, settings.dead_letter_topic)
        deadline = time.monotonic() + settings.request_timeout_seconds
        while True:
            try:
                facts = await inspect(connection(settings), names)
                break
            except Transient as error:
                if time.monotonic() > deadline:
                    raise Fatal(str(error)) from error
                log.warning("waiting for Kafka", error=str(error))
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), 1)
                    raise Fatal(f"stopped before Kafka could be reached: {error}") from error
        return {
            name: existing(name, facts.get(name), variable)
            for name, variable in zip(names, TOPIC_VARIABLES, strict=True)
        }

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

    async def _tick(self, pipeline: Pipeline, source: KafkaSource) -> None:
        """Report what nobody calls in: the loop's own lag, partitions' lag, progress for the liveness probe."""
        positions: dict[Partition, int | None] = {}
        while True:
            start = time.monotonic()
            await asyncio.sleep(TICK_SECONDS)
            self._metrics.event_loop_lag(time.monotonic() - start - TICK_SECONDS)
            self._health.beat()
            for gone in positions.keys() - pipeline.lanes.keys():
                del positions[gone]
                self._metrics.forget(gone)
                self._health.forget(gone)
            self._metrics.in_flight(pipeline.budget.posts, pipeline.budget.bytes)
            ends = source.end_offsets()
            for partition, lane in pipeline.lanes.items():
                oldest, position = lane.ledger.oldest(), lane.ledger.position
                self._health.waiting(partition, has_work=oldest is not None)
                if positions.get(partition) != position:
                    self._health.progress(partition)
                positions[partition] = position
                if partition in ends and position is not None:
                    self._metrics.lag(partition, max(0, ends[partition] - position))
                behind = time.time() - oldest.timestamp_ms / 1000 if oldest and oldest.timestamp_ms >= 0 else 0.0
                self._metrics.time_lag(partition, max(0.0, behind))


TOPIC_VARIABLES = ("MODERATION_INPUT_TOPIC", "MODERATION_OUTPUT_TOPIC", "MODERATION_DEAD_LETTER_TOPIC")


def connection(settings: Settings) -> dict[str, Any]:
    """Arguments that every Kafka client takes."""
    return {
        "bootstrap_servers": settings.bootstrap_servers,
        "client_id": settings.client_id,
        "request_timeout_ms": int(settings.request_timeout_seconds * 1000),
        **kafka_security(settings),
    }


def existing(topic: str, facts: TopicFacts | None, variable: str) -> TopicFacts:
    """Return the facts of a topic that must be there. Raises Fatal naming the setting."""
    if facts is None:
        raise Fatal(f"topic {topic} ({variable}) does not exist: create it, or name another one")
    return facts


def _group(settings: Settings) -> dict[str, Any]:
    return {
        "group_id": settings.group_id,
        "group_instance_id": settings.group_instance_id,
        "session_timeout_ms": int(settings.session_timeout_seconds * 1000),
        "heartbeat_interval_ms": int(settings.heartbeat_interval_seconds * 1000),
        "rebalance_timeout_ms": int(settings.rebalance_timeout_seconds * 1000),
        "max_poll_interval_ms": int(settings.max_poll_interval_seconds * 1000),
    }


def _limit(configured: int, facts: TopicFacts) -> int:
    return min(configured, facts.max_message_bytes) if facts.max_message_bytes else configured


def _pipeline(settings: Settings, engine: Engine, source: KafkaSource, sink: KafkaSink, metrics: Metrics) -> Pipeline:
    limits = Limits(
        max_posts=settings.max_in_flight_posts,
        max_bytes=settings.max_in_flight_bytes,
        batch_tokens=settings.batch_tokens,
        scoring_threads=engine.scoring_threads,
        commit_interval=settings.commit_interval_seconds,
        drain_timeout=settings.drain_timeout_seconds,
        backoff=Backoff(deadline=settings.ack_deadline_seconds),
    )
    return Pipeline(
        source=source,
        sink=sink,
        prepare=engine.prepare,
        score=engine.score,
        encode=engine.encode,
        observer=metrics,
        limits=limits,
        clock=time.monotonic,
    )


def _first(group: BaseExceptionGroup[Fatal]) -> Fatal:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
