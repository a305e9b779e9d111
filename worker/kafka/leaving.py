"""Leaving the group. aiokafka's own way waits for the end of a rebalance first, however long others take to finish."""

import asyncio
from contextlib import suppress

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.protocol.group import LeaveGroupRequest

log = structlog.get_logger(__name__)

WAIT_SECONDS = 2.0
GOODBYE_SECONDS = 1.0
LEAVE_SECONDS = WAIT_SECONDS + 2 * GOODBYE_SECONDS
"""What leaving takes at most."""


async def leave(consumer: AIOKafkaConsumer) -> None:
    """Leave the group, so that others take over at once, and disconnect, within LEAVE_SECONDS."""
    # In a task of its own: aiokafka's stop lets the cancellation of its fetches escape.
    stopping = asyncio.ensure_future(consumer.stop())
    await asyncio.wait([stopping], timeout=WAIT_SECONDS)
    if not stopping.done() and await _say_goodbye(consumer):
        await asyncio.wait([stopping], timeout=GOODBYE_SECONDS)
    if not stopping.done():
        stopping.cancel()
        log.warning("left without waiting for the group")
    elif not stopping.cancelled() and (error := stopping.exception()) is not None:
        log.warning("left without goodbye: the group notices after the session timeout", error=repr(error))


async def _say_goodbye(consumer: AIOKafkaConsumer) -> bool:
    """Leave while a join waits for its answer, which keeps a connection busy: so by another one.

    Else the join is answered after this process has ended, and its share of partitions waits for the session timeout.
    """
    coordinator = consumer._coordinator  # noqa: SLF001
    if coordinator.coordinator_id is None or coordinator.generation < 0 or coordinator._group_instance_id is not None:  # noqa: SLF001
        return False
    request = LeaveGroupRequest(coordinator.group_id, coordinator.member_id)
    with suppress(KafkaError, TimeoutError):
        async with asyncio.timeout(GOODBYE_SECONDS):
            await consumer._client.send(coordinator.coordinator_id, request)  # noqa: SLF001
            return True
    return False
