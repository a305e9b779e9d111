"""What fails in a rebalance ends the worker: aiokafka would only log it."""

from collections.abc import Collection

import pytest
from aiokafka import TopicPartition

from worker.core.errors import Fatal
from worker.kafka.listener import Listener

ONE = [TopicPartition("posts", 0)]


def listener(error: Exception | None = None) -> Listener:
    async def revoked(_partitions: Collection[TopicPartition]) -> None:
        if error is not None:
            raise error

    def assigned(_partitions: Collection[TopicPartition]) -> None:
        if error is not None:
            raise error

    return Listener(revoked, assigned)


@pytest.mark.parametrize("event", ["on_partitions_revoked", "on_partitions_assigned"])
async def test_rebalance_that_fails_is_told_to_whoever_polls(event: str) -> None:
    broken = listener(KeyError("a defect"))
    broken.check()
    with pytest.raises(KeyError):
        await getattr(broken, event)(ONE)
    with pytest.raises(Fatal, match="a rebalance failed after a defect: KeyError"):
        broken.check()


async def test_fatal_of_a_rebalance_keeps_its_words() -> None:
    broken = listener(Fatal("grant Read"))
    with pytest.raises(Fatal):
        await broken.on_partitions_revoked(ONE)
    with pytest.raises(Fatal, match=r"^grant Read$"):
        broken.check()


async def test_rebalance_that_works_is_no_news() -> None:
    fine = listener()
    await fine.on_partitions_revoked(ONE)
    await fine.on_partitions_assigned(ONE)
    fine.check()
