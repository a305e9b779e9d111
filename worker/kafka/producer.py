"""The sink: an idempotent producer that is replaced after any failed send.

aiokafka advances a partition's sequence number before the send and never takes it back (aiokafka#1017): after one
failure every later send of that partition fails too. So a failure is not repaired in place; `reset` begins anew.
"""

import asyncio
from asyncio import Future
from collections.abc import Mapping
from functools import partial
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
)

from worker.core.errors import Fatal, Transient
from worker.core.types import Channel, Outgoing, Partition
from worker.kafka.cluster import TopicFacts

log = structlog.get_logger(__name__)

BATCH_BYTES = 64 * 1024
STOP_SECONDS = 3.0


class Outputs:
    """Where records go and how: what every producer of this worker shares.

    `arguments` of aiokafka's producer: acks=all, idempotent, no linger (batches form by themselves while one is on its way).
    """

    def __init__(
        self,
        *,
        connection: Mapping[str, Any],
        input_partitions: int,
        topics: Mapping[Channel, str],
        facts: Mapping[Channel, TopicFacts],
        limits: Mapping[Channel, int],
    ) -> None:
        self._topics = topics
        self._stored: set[str] = set()  # topics in which something was
        # With equal partition counts a verdict goes to its post's partition; else murmur2 of the key decides.
        self._same_partition = facts[Channel.OUTPUT].partitions == input_partitions
        smallest = min((f.max_message_bytes for f in facts.values() if f.max_message_bytes), default=BATCH_BYTES)
        self.arguments = {
            **connection,
            "acks": "all",
            "enable_idempotence": True,
            "linger_ms": 0,
            "max_batch_size": min(BATCH_BYTES, smallest, *limits.values()),
            # aiokafka compares the bare record with this; the topics' own limits are kept by the encoder.
            "max_request_size": max(limits.values()) + BATCH_BYTES,
        }
        self.request_seconds = request_seconds(connection)
        self.start_seconds = start_seconds(connection)

    async def send(self, producer: AIOKafkaProducer, partition: Partition, outgoing: Outgoing) -> "Future[Any]":
        """See Sink. Waits for room in the producer's buffer."""
        target = partition.partition if outgoing.channel is Channel.OUTPUT and self._same_partition else None
        looked = False
        while True:
            try:
                future: Future[Any] = await producer.send(
                    self._topics[outgoing.channel],
                    value=outgoing.value,
                    key=outgoing.key,
                    partition=target,
                    headers=list(outgoing.headers),
                )
            except AssertionError as error:  # aiokafka's answer to a partition its metadata does not have
                if looked or target is None:
                    raise Fatal(self._no_partition(partition)) from error
                if not await producer.client.force_metadata_update():
                    raise Transient(self._no_partition(partition)) from error
                looked = True  # it may have been added since
            except KafkaTimeoutError:  # the buffer stayed full: nothing was taken, so trying again is safe
                log.warning("the producer's buffer is full, waiting", topic=self._topics[outgoing.channel])
            else:
                if (topic := self._topics[outgoing.channel]) not in self._stored:
                    future.add_done_callback(partial(self._acknowledged, topic))
                return future

    def _no_partition(self, partition: Partition) -> str:
        return (
            f"{partition.topic} has got a partition {partition.partition}, and MODERATION_OUTPUT_TOPIC"
            f" ({self._topics[Channel.OUTPUT]}) has none: add as many there, to keep the order of whole partitions, or only start"
            " the worker anew, and verdicts are spread by key"
        )

    def refuse(self, error: BaseException) -> None:
        """Raise Fatal where trying again after `error`, or its cause, cannot help: it names what to change.

        A permission that was there before may come back.
        """
        if error.__cause__ is not None:
            self.refuse(error.__cause__)
        if isinstance(error, MessageSizeTooLargeError):
            raise Fatal(
                "a topic refused a record as too large: raise its max.message.bytes, or lower MODERATION_MAX_OUTPUT_BYTES"
                " and MODERATION_MAX_DEAD_LETTER_BYTES"
            ) from error
        if isinstance(error, (TopicAuthorizationFailedError, ClusterAuthorizationFailedError)):
            # A producer id, and the offsets of a transaction, are refused without naming a topic.
            if any(repr(topic) in repr(error) for topic in self._stored) or (self._stored and not error.args):
                return
            raise Fatal(
                "the broker does not let this worker publish: grant Write on MODERATION_OUTPUT_TOPIC"
                f" ({self._topics[Channel.OUTPUT]}) and MODERATION_DEAD_LETTER_TOPIC ({self._topics[Channel.DEAD_LETTER]})"
                f" (docs/security.md): {error!r}"
            ) from error

    def _acknowledged(self, topic: str, future: "Future[Any]") -> None:
        if not future.cancelled() and future.exception() is None:
            self._stored.add(topic)


class KafkaSink:
    """Implements Sink, at least once."""

    def __init__(self, outputs: Outputs) -> None:
        self._outputs = outputs
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect. Raises Fatal where no broker can be reached."""
        producer = AIOKafkaProducer(**self._outputs.arguments)
        try:
            async with asyncio.timeout(self._outputs.start_seconds):
                await producer.start()
        except (KafkaError, OSError) as error:
            await abandon(producer)
            self._outputs.refuse(error)
            raise Fatal(f"cannot connect to Kafka (MODERATION_BOOTSTRAP_SERVERS): {error!r}") from error
        except BaseException:
            await abandon(producer)
            raise
        self._producer = producer

    async def stop(self) -> None:
        """Disconnect; what is unsent by then is dropped, and uncommitted."""
        if self._producer is not None:
            await _stop(self._producer)
            self._producer = None

    async def send(self, partition: Partition, outgoing: Outgoing) -> "Future[Any]":
        """See Sink."""
        if self._producer is None:
            raise Transient("the producer is being replaced")
        return await self._outputs.send(self._producer, partition, outgoing)

    def halt(self) -> None:
        """See Sink. A batch behind the failed one must not be stored: as the first of a new producer id it could be."""
        if self._producer is not None:
            halt(self._producer)

    async def reset(self, error: BaseException) -> None:
        """See Sink. Raises Transient while no broker can be reached."""
        log.warning("publishing failed: replacing the producer", error=repr(error))
        self._outputs.refuse(error)
        self.halt()
        if self._producer is not None:
            await abandon(self._producer)
            self._producer = None
        try:
            await self.start()
        except Fatal as cause:
            raise Transient(str(cause)) from cause


def request_seconds(connection: Mapping[str, Any]) -> float:
    """Seconds that a broker gets for one request."""
    return float(connection.get("request_timeout_ms", 40_000)) / 1000


def start_seconds(connection: Mapping[str, Any]) -> float:
    """Bound for a start: aiokafka tries one server after another, then it asks for a producer id without end."""
    return (len(str(connection["bootstrap_servers"]).split(",")) + 1) * request_seconds(connection)


async def _stop(producer: AIOKafkaProducer) -> None:
    """Flush and disconnect, within a bound."""
    stopping = asyncio.ensure_future(producer.stop())  # aiokafka's stop may let its sender's cancellation escape
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await asyncio.wait([stopping])
        if not stopping.cancelled():
            stopping.result()
    except (KafkaError, TimeoutError) as error:
        stopping.cancel()
        log.warning("the producer did not stop in time", error=repr(error))
        await abandon(producer)


def halt(producer: AIOKafkaProducer) -> None:
    """Let a producer send nothing more."""
    if (sender := producer._sender.sender_task) is not None:  # noqa: SLF001
        sender.cancel()


async def abandon(producer: AIOKafkaProducer) -> None:
    """Drop what is unsent and disconnect: aiokafka's own `stop` would send it first."""
    sender = producer._sender  # noqa: SLF001
    if sender is not None and sender.sender_task is not None:  # it would go on behind our back
        sender.sender_task.cancel()
    await producer.client.close()
    producer._closed = True  # noqa: SLF001 - or it complains when it is collected
