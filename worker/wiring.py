"""From settings to the arguments and parts a worker is made of."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from worker.core.breaker import BreakerRule
from worker.core.errors import Fatal
from worker.core.ports import Observer, Stages
from worker.core.retry import Backoff
from worker.core.types import Channel
from worker.engine import Engine
from worker.kafka import tokens
from worker.kafka.cluster import TopicFacts
from worker.kafka.consumer import COMMIT_SECONDS, KafkaSource
from worker.kafka.membership import Membership
from worker.kafka.producer import STOP_SECONDS, KafkaSink, Outputs
from worker.kafka.transactions import TransactionalSink
from worker.pipeline import Limits, Pipeline
from worker.settings import Settings, kafka_security

if TYPE_CHECKING:
    from worker.tracing import Tracing

tokens.install()

LAST_COMMIT_SECONDS = 10.0
TOPIC_VARIABLES = ("MODERATION_INPUT_TOPIC", "MODERATION_OUTPUT_TOPIC", "MODERATION_DEAD_LETTER_TOPIC")


@dataclass(frozen=True, slots=True)
class Parts:
    """A worker's pipeline with its two ends."""

    source: KafkaSource
    sink: KafkaSink | TransactionalSink
    pipeline: Pipeline


def connection(settings: Settings) -> dict[str, Any]:
    """Arguments that every Kafka client takes."""
    token = settings.oauth_token_file
    return {
        "bootstrap_servers": settings.bootstrap_servers,
        "client_id": settings.client_id,
        "request_timeout_ms": int(settings.request_timeout_seconds * 1000),
        **kafka_security(settings),
        **({"sasl_oauth_token_provider": tokens.TokenFile(token)} if token is not None else {}),
    }


def topic_names(settings: Settings) -> tuple[str, str, str]:
    """Input, output and dead-letter topic, in the order of TOPIC_VARIABLES."""
    return settings.input_topic, settings.output_topic, settings.dead_letter_topic


def existing(topic: str, facts: TopicFacts | None, variable: str) -> TopicFacts:
    """Return the facts of a topic that must be there. Raises Fatal naming the setting."""
    if facts is None:
        raise Fatal(f"topic {topic} ({variable}) does not exist: create it, or name another one")
    return facts


def record_limits(settings: Settings, facts: Mapping[str, TopicFacts]) -> dict[Channel, int]:
    """Largest record for each topic, in bytes: the setting, or the topic's own limit where that is smaller."""
    configured = {
        Channel.OUTPUT: (settings.max_output_bytes, facts[settings.output_topic]),
        Channel.DEAD_LETTER: (settings.max_dead_letter_bytes, facts[settings.dead_letter_topic]),
    }
    return {channel: min(size, topic.max_message_bytes or size) for channel, (size, topic) in configured.items()}


def open_tracing(settings: Settings) -> "Tracing | None":
    """What makes spans, where they are wanted. Raises Fatal where OpenTelemetry is not installed or not set up."""
    if settings.tracing == "off":
        return None
    try:
        from worker.tracing import Tracing, provider  # noqa: PLC0415 - off costs nothing, and needs no extra
    except ModuleNotFoundError as error:
        raise Fatal(
            f"MODERATION_TRACING={settings.tracing}: {error.name} is not installed; in a clone pip install '.[tracing]', "
            "or take an image made with EXTRA=tracing"
        ) from error
    return Tracing(provider(), group_id=settings.group_id, client_id=settings.client_id)


def assemble(
    settings: Settings,
    facts: Mapping[str, TopicFacts],
    engine: Engine,
    observer: Observer,
    membership: Membership,
    tracing: "Tracing | None" = None,
) -> Parts:
    """Build the adapters and wire the pipeline; nothing is connected yet."""
    topics = {Channel.OUTPUT: settings.output_topic, Channel.DEAD_LETTER: settings.dead_letter_topic}
    record_bytes = record_limits(settings, facts)
    outputs = Outputs(
        connection=connection(settings) | _metadata(settings),
        input_partitions=facts[settings.input_topic].partitions,
        topics=topics,
        facts={channel: facts[topic] for channel, topic in topics.items()},
        limits=record_bytes,
    )
    # After the drain: half of what a rebalance leaves is the last commit's, a quarter the abort's.
    spare = settings.rebalance_timeout_seconds - settings.drain_timeout_seconds
    last_commit = min(LAST_COMMIT_SECONDS, spare / 2)
    transactional = _transactional(settings, outputs, spare / 4, lambda: source)
    source = KafkaSource(
        settings.input_topic,
        connection=connection(settings),
        group=_group(settings),
        allow_jump=settings.out_of_range == "earliest",
        membership=membership,
        backoff=Backoff(deadline=settings.retry_deadline_seconds),
        # One that goes on after the rebalance would set back the next owner's.
        commit_timeout=min(COMMIT_SECONDS, last_commit),
        fences=transactional,
    )
    sink = transactional or KafkaSink(outputs)
    limits = Limits(
        max_posts=settings.max_in_flight_posts,
        max_bytes=settings.max_in_flight_bytes,
        batch_tokens=settings.batch_tokens,
        known_windows=settings.score_cache_size,
        scoring_threads=engine.scoring_threads,
        commit_interval=settings.commit_interval_seconds,
        drain_timeout=settings.drain_timeout_seconds,
        last_commit_timeout=last_commit,
        backoff=Backoff(deadline=settings.ack_deadline_seconds),
        breaker=_breaker(settings),
    )
    stages = Stages(source, engine.prepare, engine.encode, observer)
    if tracing is not None:
        stages = tracing.around(stages, topics, record_bytes)
    pipeline = Pipeline(
        **stages._asdict(),
        sink=sink,
        score=engine.score,
        limits=limits,
        clock=time.monotonic,
        transactions=transactional,
    )
    return Parts(source, sink, pipeline)


def _transactional(
    settings: Settings, outputs: Outputs, close_timeout: float, source: Callable[[], KafkaSource]
) -> TransactionalSink | None:
    if settings.delivery != "exactly_once":
        return None
    return TransactionalSink(
        outputs,
        group_id=settings.group_id,
        timeout=settings.transaction_timeout_seconds,
        close_timeout=min(STOP_SECONDS, close_timeout),
        fenced=lambda: source().rejoin(),
        committed=lambda partition, offset: source().committed(partition, offset),
    )


def _breaker(settings: Settings) -> BreakerRule | None:
    if not settings.breaker:
        return None
    return BreakerRule(
        failing_ratio=settings.breaker_ratio,
        unreadable_ratio=settings.breaker_unreadable_ratio,
        window=settings.breaker_window_seconds,
        minimum=settings.breaker_minimum_records,
        cool_down=settings.breaker_cool_down_seconds,
    )


def _group(settings: Settings) -> dict[str, Any]:
    return {
        "group_id": settings.group_id,
        "group_instance_id": settings.group_instance_id,
        "session_timeout_ms": int(settings.session_timeout_seconds * 1000),
        "heartbeat_interval_ms": int(settings.heartbeat_interval_seconds * 1000),
        "rebalance_timeout_ms": int(settings.rebalance_timeout_seconds * 1000),
        "max_poll_interval_ms": int(settings.max_poll_interval_seconds * 1000),
        **_metadata(settings),
    }


def _metadata(settings: Settings) -> dict[str, int]:
    return {"metadata_max_age_ms": int(settings.metadata_max_age_seconds * 1000)}
