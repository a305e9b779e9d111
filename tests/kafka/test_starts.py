"""A commit that is told once may be of long ago: a coordinator that is loading tells what it has read so far."""

import asyncio

import pytest
from aiokafka import TopicPartition

from worker.core.errors import Transient
from worker.kafka import starts as module
from worker.kafka.loading import Loading, _of
from worker.kafka.starts import GONE_BACK_SECONDS, Starts

ONE = TopicPartition("posts", 1)
EARLIEST = 3
LOADING = 14


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGREE_SECONDS", 0.0)


class Consumer:
    """What the group's coordinator answers, in order; the last answer again and again."""

    def __init__(self, *answers: int | None) -> None:
        self.answers = list(answers)
        self._coordinator = self  # as aiokafka's, by which it is known how long it was loading

    async def committed(self, _tp: TopicPartition) -> int | None:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def beginning_offsets(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(tps, EARLIEST)


async def test_without_a_commit_the_earliest_record_is_the_start() -> None:
    starts = Starts(lambda: 0.0)
    for _ in range(2):
        assert await starts.of(Consumer(None), [ONE]) == {ONE: EARLIEST}


@pytest.mark.parametrize("answers", [(2, 5), (None, 5), (5, 2)])
async def test_commit_that_moves_is_asked_for_again(answers: tuple[int | None, ...]) -> None:
    starts, consumer = Starts(lambda: 0.0), Consumer(*answers, 5)
    with pytest.raises(Transient, match=r"partitions \[1\] are moving"):
        await starts.of(consumer, [ONE])
    assert await starts.of(consumer, [ONE]) == {ONE: 5}


@pytest.mark.parametrize("forgotten", [None, 0, 6])
async def test_coordinator_that_forgot_a_commit_is_asked_again(forgotten: int | None) -> None:
    starts = Starts(lambda: 0.0)
    assert await starts.of(Consumer(5), [ONE]) == {ONE: 5}
    starts.committed(ONE, 7)  # since then, by this worker
    with pytest.raises(Transient, match="went back from 7"):
        await starts.of(Consumer(forgotten), [ONE])
    assert await starts.of(Consumer(7), [ONE]) == {ONE: 7}


async def test_commit_that_stays_lower_is_taken_in_the_end() -> None:
    now = [0.0]
    starts = Starts(lambda: now[0])
    starts.committed(ONE, 7)
    for now[0] in (0.0, GONE_BACK_SECONDS - 1):
        with pytest.raises(Transient):
            await starts.of(Consumer(None), [ONE])
    now[0] = GONE_BACK_SECONDS
    assert await starts.of(Consumer(None), [ONE]) == {ONE: EARLIEST}
    assert await starts.of(Consumer(4), [ONE]) == {ONE: 4}


async def test_partition_that_was_given_up_meanwhile_is_waited_for_anew() -> None:
    now = [0.0]
    starts = Starts(lambda: now[0])
    starts.committed(ONE, 7)
    with pytest.raises(Transient):
        await starts.of(Consumer(2), [ONE])
    starts.revoked()
    now[0] = 10 * GONE_BACK_SECONDS
    with pytest.raises(Transient):
        await starts.of(Consumer(2), [ONE])


async def test_answers_agree_for_as_long_again_as_the_coordinator_was_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr(module, "AGREE_SECONDS", 0.5)
    consumer, now = Consumer(5), [0.0]
    _of[consumer] = loading = Loading(lambda: now[0])
    await Starts(lambda: 0.0).of(consumer, [ONE])
    for now[0] in (100.0, 104.0):
        loading.heard(LOADING)
    now[0] = 105.0
    await Starts(lambda: 0.0).of(consumer, [ONE])
    assert slept == [0.5, 3.0]
