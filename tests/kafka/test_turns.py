"""What one partition cannot give must not keep the others from their turns."""

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException

from worker.kafka.turns import Turns

BAD, GOOD, FINE = (TopicPartition("posts", n) for n in range(3))


class Consumer:
    """`getmany` of one partition: what is in it, or an error."""

    broken = True

    async def getmany(
        self, tp: TopicPartition, *, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[int]]:
        del timeout_ms
        if tp == BAD and self.broken:
            raise CorruptRecordException
        return {tp: [0] * min(max_records, 10)}


async def test_one_that_cannot_be_read_is_told_of_after_what_others_brought() -> None:
    turns, consumer = Turns(), Consumer()
    with pytest.raises(CorruptRecordException):  # the first to be asked
        await turns.take(consumer, [BAD, GOOD, FINE], 0, 100)
    assert set(await turns.take(consumer, [BAD, GOOD, FINE], 0, 100)) == {GOOD, FINE}
    assert turns.failing([BAD, GOOD])
    with pytest.raises(CorruptRecordException):
        await turns.take(consumer, [BAD, GOOD, FINE], 0, 100)
    assert set(await turns.take(consumer, [BAD, GOOD, FINE], 0, 100)) == {GOOD, FINE}
    assert set(await turns.take(consumer, [GOOD, FINE], 0, 100)) == {GOOD, FINE}  # not of a partition that was given up


async def test_one_that_can_be_read_again_fails_no_more() -> None:
    turns, consumer = Turns(), Consumer()
    with pytest.raises(CorruptRecordException):
        await turns.take(consumer, [BAD], 0, 10)
    consumer.broken = False
    assert set(await turns.take(consumer, [BAD], 0, 10)) == {BAD}
    assert not turns.failing([BAD])
