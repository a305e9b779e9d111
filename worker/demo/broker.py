"""A Kafka for the demo: librdkafka's mock cluster inside this process, or the demo's own topics on a real one."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from worker.core.errors import Fatal, Transient
from worker.kafka.cluster import inspect
from worker.settings import Settings
from worker.wiring import connection

PARTITIONS = 4
MOST_REPLICAS = 3
ANSWER_SECONDS = 10.0


@contextmanager
def mock_cluster(topics: tuple[str, ...]) -> Iterator[str]:
    """Run a cluster of one broker inside this process, with these topics; yields its address."""
    from confluent_kafka import Producer  # noqa: PLC0415 - of the extra `demo`, and not needed for a real Kafka

    # The mock cluster lives as long as the client that asked for it. It creates a topic when its name is first heard.
    client = Producer({"test.mock.num.brokers": 1, "log_level": 0})
    for topic in topics:
        client.list_topics(topic, timeout=ANSWER_SECONDS)
    brokers = client.list_topics(timeout=ANSWER_SECONDS).brokers
    yield ",".join(f"{broker.host}:{broker.port}" for broker in brokers.values())
    del client


async def create_missing(settings: Settings) -> None:
    """Create those of the settings' topics that are not there yet. Raises Fatal saying what to change."""
    topics = (settings.input_topic, settings.output_topic, settings.dead_letter_topic)
    try:
        missing = await _missing(settings, topics)
        if missing:
            await _create(settings, missing)
        async with asyncio.timeout(ANSWER_SECONDS):
            while await _missing(settings, topics):  # noqa: ASYNC110 - brokers hear of a topic one after another
                await asyncio.sleep(0.1)
    except (Transient, KafkaError, TimeoutError) as error:
        raise Fatal(
            f"{settings.bootstrap_servers}: the demo's topics {', '.join(topics)} are not all there"
            f" ({error or type(error).__name__}); create them, or let this user do so"
        ) from error


async def _missing(settings: Settings, topics: tuple[str, ...]) -> list[str]:
    facts = await inspect(connection(settings), topics)
    return [topic for topic in topics if facts.get(topic) is None]


async def _create(settings: Settings, topics: list[str]) -> None:
    admin = AIOKafkaAdminClient(**connection(settings))
    try:
        await admin.start()
        replicas = min(MOST_REPLICAS, len((await admin.describe_cluster())["brokers"]))
        response = await admin.create_topics([NewTopic(topic, PARTITIONS, replicas) for topic in topics])
    finally:
        await admin.close()
    for topic, code, *_ in response.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise error(topic)
