"""Puts records back: each transaction holds them and the marks that say so, or nothing of both."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from worker.core.errors import Fatal
from worker.kafka.producer import BATCH_BYTES, abandon, start_seconds
from worker.redrive import marks
from worker.redrive.letters import Letter

LARGEST_BYTES = 101 * 1024 * 1024
"""More than a dead letter can have: the topic's own limit is what counts."""
ABORT_SECONDS = 3.0


class Transactions:
    """A transactional producer; a second one of the same id shuts out the first. A context manager.

    `input_topic` and `dead_letter_topic` come with their numbers of partitions, `deadline` is in seconds.
    """

    def __init__(
        self,
        connection: Mapping[str, Any],
        transactional_id: str,
        *,
        input_topic: tuple[str, int],
        dead_letter_topic: tuple[str, int],
        deadline: float,
        batch_bytes: int,
    ) -> None:
        self._input, self._input_partitions = input_topic
        self._letters, self._letter_partitions = dead_letter_topic
        self._deadline = deadline
        self._start_seconds = start_seconds(connection)
        self._producer = AIOKafkaProducer(
            **connection,
            transactional_id=transactional_id,
            acks="all",
            max_batch_size=min(BATCH_BYTES, batch_bytes),
            max_request_size=LARGEST_BYTES,
        )

    async def __aenter__(self) -> Self:
        """Connect, and end what an earlier run of this id left open."""
        try:
            async with asyncio.timeout(self._start_seconds):
                await self._producer.start()
        except BaseException:
            await abandon(self._producer)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await abandon(self._producer)  # outside of a transaction nothing is unsent

    async def put(self, letters: Sequence[Letter]) -> None:
        """Put these records back and mark them, all or none. Raises Fatal where no acknowledgement came in time."""
        try:
            async with asyncio.timeout(self._deadline):
                await self._producer.begin_transaction()
                sends = [await self._send(letter) for letter in letters]
                key, value, headers = marks.encode(self._input, [letter.origin for letter in letters])
                # In every partition: copies of one dead letter may lie in several, which forget at times of their own.
                sends += [
                    await self._producer.send(self._letters, value, key, number, headers=list(headers))
                    for number in range(self._letter_partitions)
                ]
                await asyncio.gather(*sends)  # aiokafka commits also where a send has failed
                await self._producer.commit_transaction()
        except TimeoutError as error:
            raise Fatal(
                f"no acknowledgement in MODERATION_ACK_DEADLINE_SECONDS={self._deadline:g}: run redrive again once the"
                " brokers answer, it goes on where it stopped"
            ) from error
        except BaseException:
            with suppress(KafkaError, TimeoutError, AssertionError):
                async with asyncio.timeout(ABORT_SECONDS):
                    await self._producer.abort_transaction()
            raise

    async def _send(self, letter: Letter) -> "asyncio.Future[Any]":
        # Its old partition, whoever chose that and how. A new timestamp: by its old one the topic may delete it unread.
        old = letter.origin.partition
        sent: asyncio.Future[Any] = await self._producer.send(
            self._input,
            letter.value,
            letter.record.key,
            old if old < self._input_partitions else None,
            headers=list(letter.headers()),
        )
        return sent
