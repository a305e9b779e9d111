"""Checks that ask the brokers: connection and login, and the group's commits. Every question is bounded in time."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from worker.check.finding import Finding, Mark
from worker.core.errors import Fatal, Transient
from worker.kafka.cluster import inspect
from worker.settings import Settings
from worker.wiring import connection

T = TypeVar("T")

REQUEST_SECONDS = 4.0
QUESTION_SECONDS = 12.0
"""Bounds on one request, and on one question: connecting, asking, and finding out why it failed."""
RETRY_SECONDS = 0.2


def impatient(settings: Settings) -> dict[str, Any]:
    """Arguments of a Kafka client that soon gives up. Raises Fatal where a certificate file cannot be used."""
    shorter = min(settings.request_timeout_seconds, REQUEST_SECONDS)
    return connection(settings) | {"request_timeout_ms": int(shorter * 1000)}


def ask(question: Coroutine[Any, Any, T]) -> T:
    """Ask within QUESTION_SECONDS. Raises Fatal with what to change."""

    async def bounded() -> T:
        async with asyncio.timeout(QUESTION_SECONDS):
            return await question

    try:
        return asyncio.run(bounded())
    except Transient as error:
        raise Fatal(str(error)) from error
    except TimeoutError as error:
        raise Fatal(
            f"no answer in {QUESTION_SECONDS:.0f} s: check MODERATION_BOOTSTRAP_SERVERS and the brokers"
        ) from error
    except (KafkaError, OSError) as error:
        raise Fatal(f"{type(error).__name__}: {error}") from error


def connection_works(settings: Settings) -> Finding:
    """Connect and log in."""
    try:
        ask(inspect(impatient(settings), ()))
    except Fatal as error:
        return Finding(Mark.WRONG, "brokers", str(error))
    login = f" as {settings.sasl_username}" if settings.sasl_username else ""
    return Finding(Mark.FINE, "brokers", f"{settings.bootstrap_servers} answers ({settings.security_protocol}{login})")


def consumer_group(settings: Settings) -> Finding:
    """Read the group's commits and compare them with what the input topic still holds."""
    subject = "consumer group"
    try:
        ranges, commits = ask(_positions(settings))
    except Fatal as error:
        return Finding(Mark.WRONG, subject, f"{settings.group_id} (MODERATION_GROUP_ID): {error}")
    outside = [tp.partition for tp, (first, end) in ranges.items() if not first <= commits.get(tp, first) <= end]
    if outside:
        then = "stops at" if settings.out_of_range == "stop" else "goes on at the earliest record of"
        return Finding(
            Mark.WARNING,
            subject,
            f"{settings.group_id}: its commits are no longer within {settings.input_topic}, partitions {outside}: the"
            f" worker {then} them (MODERATION_OUT_OF_RANGE={settings.out_of_range}); else reset the group's offsets",
        )
    if not ranges:
        return Finding(Mark.SKIPPED, subject, f"{settings.group_id}: not compared, because the input topic is wrong")
    committed = sum(tp in commits for tp in ranges)
    behind = sum(end - commits.get(tp, first) for tp, (first, end) in ranges.items())
    text = f"{settings.group_id} has commits for {committed} of {len(ranges)} partitions; {behind:,} records to read"
    return Finding(Mark.FINE, subject, text)


async def _positions(settings: Settings) -> tuple[dict[TopicPartition, tuple[int, int]], dict[TopicPartition, int]]:
    """First and end offset of each partition of the input topic (none where it does not exist), and the commits."""
    client = impatient(settings)
    commits = await _commits(client, settings.group_id)
    facts = (await inspect(client, [settings.input_topic]))[settings.input_topic]
    partitions = [TopicPartition(settings.input_topic, number) for number in range(facts.partitions if facts else 0)]
    if not partitions:
        return {}, commits
    consumer = AIOKafkaConsumer(**client, isolation_level="read_committed", enable_auto_commit=False)
    try:
        await consumer.start()
        firsts, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    finally:
        await consumer.stop()
    return {tp: (firsts[tp], ends[tp]) for tp in partitions}, commits


async def _commits(client: dict[str, Any], group: str) -> dict[TopicPartition, int]:
    admin = AIOKafkaAdminClient(**client)
    try:
        await admin.start()
        while True:
            try:
                found = await admin.list_consumer_group_offsets(group)
            except KafkaError as error:
                if not error.retriable:  # a broker just started has to load its groups first
                    raise
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return {tp: commit.offset for tp, commit in found.items() if commit.offset >= 0}
    finally:
        await admin.close()
