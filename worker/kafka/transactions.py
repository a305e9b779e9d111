"""The sink for exactly-once delivery: one transactional producer for each input partition that is assigned.

Its transactional id is `<group>.<topic>.<partition>`, so that whoever opens the partition next fences whoever had it
before, however late that one wakes up. One producer for all partitions could not: it would need the group's generation
in its offset commits (KIP-447), which aiokafka does not send.
"""

import asyncio
from asyncio import Future
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    IllegalOperation,
    InvalidTransactionTimeout,
    KafkaError,
    ProducerFenced,
    TransactionalIdAuthorizationFailed,
)

from worker.core.errors import Fatal, Transient
from worker.core.types import Outgoing, Partition
from worker.kafka.producer import STOP_SECONDS, Outputs, abandon, halt

log = structlog.get_logger(__name__)


class TransactionalSink:
    """Implements Sink and Transactions. `open` and `close` belong to the source, at assignment and revocation.

    `fenced`: called where another worker has opened a partition of ours, so that the group is joined anew: whoever is
    wrong about owning it learns so there, rather than by fencing the other in turn. `committed`: told of each commit.
    """

    def __init__(
        self,
        outputs: Outputs,
        *,
        group_id: str,
        timeout: float,
        close_timeout: float = STOP_SECONDS,
        fenced: Callable[[], None],
        committed: Callable[[Partition, int], None],
    ) -> None:
        self._outputs = outputs
        self._group_id = group_id
        self._timeout_ms = int(timeout * 1000)
        self._close_timeout = close_timeout
        self._fenced = fenced
        self._committed = committed
        self._producers: dict[Partition, AIOKafkaProducer] = {}
        self._halted = asyncio.Event()
        self._rejoining = False  # until partitions are opened again
        self._has_opened = False  # until then, a refusal is one of permissions that were never granted

    async def start(self) -> None:
        """Nothing to do: producers come with partitions."""

    async def stop(self) -> None:
        """Disconnect; what is uncommitted is aborted."""
        await self.close(list(self._producers))

    async def open(self, partitions: Collection[Partition]) -> None:
        """Fence whoever had these partitions, abort what they left open, be the only one to write for them.

        Raises Transient while that cannot be done, Fatal where it is not allowed. Then, and where it is cancelled, none
        of them is open.
        """
        self._halted.clear()
        self._rejoining = False
        try:
            async with asyncio.TaskGroup() as group:
                for partition in partitions:
                    group.create_task(self._open(partition))
        except BaseException as error:
            await self._drop(partitions)
            if not isinstance(error, BaseExceptionGroup):
                raise
            fatal, _ = error.split(Fatal)
            raise (fatal or error).exceptions[0] from None

    async def close(self, partitions: Collection[Partition]) -> None:
        """Give up these partitions. What is uncommitted is aborted, else readers of the output wait for its timeout."""
        closing = {p: producer for p in partitions if (producer := self._producers.pop(p, None)) is not None}
        await asyncio.gather(*(_close(producer, self._close_timeout) for producer in closing.values()))

    async def send(self, partition: Partition, outgoing: Outgoing) -> "Future[Any]":
        """See Sink. The first one begins a transaction."""
        producer = self._producer(partition)
        if not producer._txn_manager.is_in_transaction():  # noqa: SLF001 - aiokafka has no question for it
            try:
                await producer.begin_transaction()
            except AssertionError as error:  # aiokafka's answer to a transaction that cannot go on
                raise Transient("the last transaction has not ended") from error
        try:
            future = await self._outputs.send(producer, partition, outgoing)
        except ProducerFenced:
            self._lost(partition, producer)
            raise
        except Fatal as error:
            if not producer._txn_manager.is_in_transaction():  # noqa: SLF001 - it asserted that, not a partition
                raise Transient("the transaction cannot go on") from error
            raise
        future.add_done_callback(partial(self._acknowledged, partition, producer))
        return future

    async def commit(self, partition: Partition, offset: int) -> None:
        """See Transactions."""
        producer = self._producer(partition)
        committing = asyncio.ensure_future(self._commit(producer, partition, offset))
        halted = asyncio.ensure_future(self._halted.wait())
        try:
            async with asyncio.timeout(self._outputs.request_seconds):
                await asyncio.wait({committing, halted}, return_when=asyncio.FIRST_COMPLETED)
            if not committing.done():
                raise Transient("the transaction was given up")
            committing.result()
            self._committed(partition, offset)
        except (KafkaError, IllegalOperation, AssertionError, TimeoutError) as error:
            log.warning("a transaction failed", partition=partition.partition, error=repr(error))
            if isinstance(error, ProducerFenced):
                self._lost(partition, producer)
            raise Transient(f"transaction: {error!r}") from error
        finally:
            halted.cancel()
            committing.cancel()

    def halt(self) -> None:
        """See Sink."""
        self._halted.set()
        for producer in self._producers.values():
            halt(producer)

    async def reset(self, error: BaseException) -> None:
        """See Sink. Producers are opened anew with their partitions, which aborts what is left of their transactions."""
        log.warning("publishing failed: beginning anew", error=repr(error))
        self._outputs.refuse(error)
        self.halt()
        await self._drop(list(self._producers))

    def _acknowledged(self, partition: Partition, producer: AIOKafkaProducer, future: "Future[Any]") -> None:
        if not future.cancelled() and isinstance(future.exception(), ProducerFenced):
            self._lost(partition, producer)

    def _lost(self, partition: Partition, producer: AIOKafkaProducer) -> None:
        """Another worker opened a partition of ours. Told once: all that was on its way fails for the same reason.

        Not where we did so ourselves, and a producer that was replaced finds it out.
        """
        if self._producers.get(partition) is producer and not self._rejoining:
            log.warning(
                "another producer took over a partition of ours: joining the group anew. Where this goes on, two groups"
                " share transactional ids, which are MODERATION_GROUP_ID, a dot and MODERATION_INPUT_TOPIC"
            )
            self._rejoining = True
            self._fenced()

    def _producer(self, partition: Partition) -> AIOKafkaProducer:
        producer = self._producers.get(partition)
        if producer is None:
            raise Transient("the producer is being replaced")
        return producer

    async def _open(self, partition: Partition) -> None:
        await self._drop([partition])
        name = f"{self._group_id}.{partition.topic}.{partition.partition}"
        producer = AIOKafkaProducer(
            **self._outputs.arguments, transactional_id=name, transaction_timeout_ms=self._timeout_ms
        )
        try:
            async with asyncio.timeout(self._outputs.start_seconds):
                await producer.start()
        except BaseException as error:
            await abandon(producer)
            if isinstance(error, TransactionalIdAuthorizationFailed) and not self._has_opened:
                raise Fatal(
                    f"transactional id {name}: not allowed: grant this worker Write and Describe on transactional ids "
                    f"prefixed {self._group_id}. (MODERATION_DELIVERY=exactly_once)"
                ) from error
            if isinstance(error, InvalidTransactionTimeout):
                raise Fatal(
                    f"MODERATION_TRANSACTION_TIMEOUT_SECONDS={self._timeout_ms / 1000:g}: more than the brokers' "
                    "transaction.max.timeout.ms: lower the one or raise the other"
                ) from error
            # aiokafka asserts that the metadata names a broker; one that has just come back, still fenced, names none.
            if isinstance(error, (KafkaError, OSError, AssertionError)):
                raise Transient(f"transactional id {name}: {error!r}") from error
            raise
        self._producers[partition] = producer
        self._has_opened = True

    async def _commit(self, producer: AIOKafkaProducer, partition: Partition, offset: int) -> None:
        await producer.send_offsets_to_transaction({TopicPartition(*partition): offset}, self._group_id)
        await producer.commit_transaction()

    async def _drop(self, partitions: Collection[Partition]) -> None:
        """Disconnect without a word to the broker: the next to open a partition aborts what was left."""
        dropped = [producer for p in partitions if (producer := self._producers.pop(p, None)) is not None]
        await asyncio.gather(*map(abandon, dropped))


async def _close(producer: AIOKafkaProducer, seconds: float) -> None:
    with suppress(KafkaError, IllegalOperation, AssertionError, TimeoutError):
        async with asyncio.timeout(seconds):
            if producer._txn_manager.is_in_transaction():  # noqa: SLF001
                await producer.abort_transaction()
    await abandon(producer)
