"""Checks of the three topics, with each other and with the settings."""

import sys
from collections.abc import Callable, Iterator

import worker
from worker.check.brokers import ask, impatient
from worker.check.finding import Finding, Mark
from worker.core.errors import Fatal
from worker.core.types import Channel
from worker.kafka.cluster import TopicFacts, inspect
from worker.model.bundle import Bundle
from worker.settings import Settings
from worker.wire.encode import Encoder, Model
from worker.wiring import TOPIC_VARIABLES, existing

NEARLY = 0.9
"""Kafka's default limit of a topic and ours of a dead letter differ by 5 %: that is not worth a warning."""


def topics(settings: Settings, bundle: Bundle | None) -> Iterator[Finding]:
    """Describe the topics and compare them; a finding for each."""
    names = (settings.input_topic, settings.output_topic, settings.dead_letter_topic)
    posts, verdicts, letters = (_look(settings, *pair) for pair in zip(names, TOPIC_VARIABLES, strict=True))
    source = posts if isinstance(posts, TopicFacts) else None
    yield _finding("input topic", posts, lambda found: _input(settings, found))
    yield _finding("output topic", verdicts, lambda found: _output(settings, found, source, bundle))
    yield _finding("dead-letter topic", letters, lambda found: _dead_letters(settings, found, source, bundle))


def _look(settings: Settings, topic: str, variable: str) -> TopicFacts | Fatal:
    try:
        return existing(topic, ask(inspect(impatient(settings), [topic])).get(topic), variable)
    except Fatal as error:
        return error


def _finding(subject: str, facts: TopicFacts | Fatal, judge: Callable[[TopicFacts], tuple[Mark, str]]) -> Finding:
    if isinstance(facts, Fatal):
        return Finding(Mark.WRONG, subject, str(facts))
    try:
        mark, text = judge(facts)
    except Fatal as error:
        return Finding(Mark.WRONG, subject, str(error))
    return Finding(mark, subject, text)


def _input(settings: Settings, facts: TopicFacts) -> tuple[Mark, str]:
    text = f"{settings.input_topic} has {facts.partitions} partitions: so many workers can share it"
    if (limit := facts.max_message_bytes) is not None and limit > settings.max_record_bytes:
        return Mark.WARNING, (
            f"{text}; it takes records of {limit:,} bytes (max.message.bytes), and those over"
            f" MODERATION_MAX_RECORD_BYTES={settings.max_record_bytes} become dead letters"
        )
    return Mark.FINE, text


def _output(
    settings: Settings, facts: TopicFacts, source: TopicFacts | None, bundle: Bundle | None
) -> tuple[Mark, str]:
    topic = settings.output_topic
    limit = _limit(Channel.OUTPUT, topic, settings.max_output_bytes, facts, bundle)
    if facts.max_message_bytes is None:
        return Mark.WARNING, _unknown_limit(topic, "MODERATION_MAX_OUTPUT_BYTES", settings.max_output_bytes)
    if source is not None and facts.partitions != source.partitions:
        return Mark.WARNING, (
            f"{topic} has {facts.partitions} partitions, {settings.input_topic} {source.partitions}: verdicts are spread"
            " by key, and only those of posts with the same key stay in order; give both topics as many partitions"
            " to keep the order of whole partitions"
        )
    order = f", as many as {settings.input_topic}: verdicts keep the order of their posts" if source else ""
    return Mark.FINE, f"{topic} has {facts.partitions} partitions{order}; verdicts up to {limit:,} bytes"


def _dead_letters(
    settings: Settings, facts: TopicFacts, source: TopicFacts | None, bundle: Bundle | None
) -> tuple[Mark, str]:
    topic, configured = settings.dead_letter_topic, settings.max_dead_letter_bytes
    limit = _limit(Channel.DEAD_LETTER, topic, configured, facts, bundle)
    if facts.max_message_bytes is None:
        return Mark.WARNING, _unknown_limit(topic, "MODERATION_MAX_DEAD_LETTER_BYTES", configured)
    kept = f"{topic} keeps bad records whole up to about {limit:,} bytes"
    largest = source.max_message_bytes if source else None
    if largest is not None and limit < NEARLY * largest:
        low = [f"MODERATION_MAX_DEAD_LETTER_BYTES={configured}"] if configured < largest else []
        low += [f"max.message.bytes={facts.max_message_bytes} of {topic}"] if facts.max_message_bytes < largest else []
        return Mark.WARNING, (
            f"{kept}, and {settings.input_topic} takes {largest:,} (max.message.bytes): longer ones are cut, and"
            f" cannot be put back; raise {' and '.join(low)}"
        )
    return Mark.FINE, kept


def _unknown_limit(topic: str, variable: str, configured: int) -> str:
    return (
        f"{topic}: its max.message.bytes is not to be learnt (grant DescribeConfigs on it, to have it respected);"
        f" it must be at least {variable}={configured}"
    )


def _limit(channel: Channel, topic: str, configured: int, facts: TopicFacts, bundle: Bundle | None) -> int:
    """The most bytes of a record there: the setting's or the topic's limit. Raises Fatal where it is too small."""
    limit = min(configured, facts.max_message_bytes or configured)
    if bundle is None:
        return limit
    try:
        Encoder(
            policy=bundle.policy,
            model=Model(bundle.name, bundle.version, bundle.sha256),
            worker_version=worker.__version__,
            limits=dict.fromkeys(Channel, sys.maxsize) | {channel: limit},
        )
    except Fatal as error:
        raise Fatal(f"{topic} has max.message.bytes={facts.max_message_bytes}, too small: {error}") from error
    return limit
