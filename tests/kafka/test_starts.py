"""A commit that this worker knows of cannot go back while it is in the group."""

import pytest
from aiokafka import TopicPartition

from worker.core.errors import Transient
from worker.kafka.starts import GONE_BACK_SECONDS, Starts

ONE = TopicPartition("posts", 1)
EARLIEST = 3


class Consumer:
    """What the group's coordinator answers."""

    def __init__(self) -> None:
        self.commit: int | None = None

    async def committed(self, _tp: TopicPartition) -> int | None:
        return self.commit

    async def beginning_offsets(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(tps, EARLIEST)


async def test_without_a_commit_the_earliest_record_is_the_start() -> None:
    assert await Starts(lambda: 0.0).of(Consumer(), ONE) == EARLIEST


@pytest.mark.parametrize("forgotten", [None, 0, 6])
async def test_coordinator_that_forgot_a_commit_is_asked_again(forgotten: int | None) -> None:
    starts, consumer = Starts(lambda: 0.0), Consumer()
    consumer.commit = 5
    assert await starts.of(consumer, ONE) == 5
    starts.committed(ONE, 7)  # since then, by this worker
    consumer.commit = forgotten
    with pytest.raises(Transient, match="went back from 7"):
        await starts.of(consumer, ONE)
    consumer.commit = 7
    assert await starts.of(consumer, ONE) == 7


async def test_commit_that_stays_lower_is_taken_in_the_end() -> None:
    times = [0.0, 0.0, 1.0, GONE_BACK_SECONDS - 1, GONE_BACK_SECONDS]
    starts, consumer = Starts(lambda: times.pop(0) if len(times) > 1 else times[0]), Consumer()
    starts.committed(ONE, 7)
    for _ in range(2):
        with pytest.raises(Transient):
            await starts.of(consumer, ONE)
    assert await starts.of(consumer, ONE) == EARLIEST
    consumer.commit = 4
    assert await starts.of(consumer, ONE) == 4
